// Values come from the environment: `azd env set NAME value`, or a pipeline's variables.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')

param senders = readEnvironmentVariable('MAILROOM_SENDERS', '["billing@contoso.com"]')
param createAppRegistration = bool(readEnvironmentVariable('MAILROOM_CREATE_APP_REGISTRATION', 'true'))
param mailClientId = readEnvironmentVariable('MAILROOM_EXISTING_CLIENT_ID', '')

// Every setting of the README's table that is not named elsewhere here may stand in this object.
param mailroomSettings = {
  MAILROOM_RETURNED_MAIL: readEnvironmentVariable('MAILROOM_RETURNED_MAIL', 'off')
  MAILROOM_LICENCES: readEnvironmentVariable('MAILROOM_LICENCES', '1')
}

param apiAuthentication = readEnvironmentVariable('MAILROOM_API_AUTHENTICATION', 'key')
param apiClientId = readEnvironmentVariable('MAILROOM_API_CLIENT_ID', '')

param networkIsolation = readEnvironmentVariable('MAILROOM_NETWORK_ISOLATION', 'public')
param alertEmails = json(readEnvironmentVariable('MAILROOM_ALERT_EMAILS', '[]'))
param noSendHours = int(readEnvironmentVariable('MAILROOM_NO_SEND_HOURS', '0'))
param monthlyBudget = int(readEnvironmentVariable('MAILROOM_MONTHLY_BUDGET', '50'))
