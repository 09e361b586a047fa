// Everything that Mailroom needs in Azure: a resource group, what is in it, and a budget.
// `azd up`, or: az deployment sub create --location westeurope --parameters infra/main.bicepparam
targetScope = 'subscription'

@description('Name of this environment, such as `prod`: all names follow from it.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Azure region. Flex Consumption and Python 3.13 must be offered there.')
param location string

@description('The resource group; it is made if it does not exist.')
param resourceGroupName string = 'rg-mailroom-${environmentName}'

@description('Tags of every resource, beside those that Mailroom sets itself.')
param tags object = {}

// ---- Mail

@description('Who may send: MAILROOM_SENDERS, a JSON list of mailboxes or an object of From address to mailboxes.')
param senders string

@description('The Entra ID tenant of the mailboxes.')
param mailTenantId string = tenant().tenantId

@description('True: make the app registration that sends, its federated credential and its enterprise application. Needs an identity that may create applications; otherwise an Entra administrator deploys infra/identity/sender.bicep alone.')
param createAppRegistration bool = true

@description('Client id of the app registration that sends, where it is not made here.')
param mailClientId string = ''

@description('How the app proves who it is: the managed identity itself (no secret at all), or what lies in Key Vault.')
@allowed(['federated', 'certificate', 'secret', 'delegated'])
param credential string = 'federated'

@description('Any other setting of Mailroom, by name (see the README): { MAILROOM_RETURNED_MAIL: \'graph\' }.')
param mailroomSettings object = {}

// ---- The API

@description('`key`: function keys. `entra`: a token of Entra ID instead, checked by the platform and again, with its role, by the app.')
@allowed(['key', 'entra'])
param apiAuthentication string = 'key'

@description('Client id of the API\'s app registration (infra/identity/api.bicep makes it); for `entra`.')
param apiClientId string = ''

@description('Client ids of the applications that may call the API; for `entra`. Empty: every one that has got a token for it.')
param apiCallers array = []

@description('Object ids of identities that may put messages on the queue `outbound-mail` (managed identities of other services).')
param queueSenders array = []

// ---- Size. The reasons stand in docs/costs.md.

@description('Memory of an instance. 2,048: an idle process, two rendering processes of 256 MB each and the messages that are in its hands (64 of them, as a whole where they have attachments) do not fit into 512.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Most instances of each function. 3 of them filled 20 mailboxes to 99.4 % in simulation; a fourth finds no connection free at a single saturated mailbox. It is no limit of what is sent: the quota governor is.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 3

@description('Requests that an instance takes at once. The platform\'s default for Python is 1, for code that blocks; Mailroom does not, and 16 requests of 35 MB still fit.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Instances for HTTP that are always ready: 0, or 1 and more if callers cannot wait for a cold start.')
@minValue(0)
param alwaysReadyHttp int = 0

@description('Instances in several availability zones, where the region has them.')
param zoneRedundant bool = false

// ---- Network

@description('`public`: reachable endpoints, guarded by identities alone. `storage`: storage and Key Vault only by private endpoints. `all`: the app too, so that its pages (secure links) are reachable from your network alone, and deployments come from there.')
@allowed(['public', 'storage', 'all'])
param networkIsolation string = 'public'

@description('Addresses of the virtual network, if one is made: /24 or larger.')
param addressPrefix string = '10.90.0.0/24'

// ---- What is kept, watched and spent

@description('Redundancy of the storage account. Zone-redundant: messages are lost with their storage, and nothing else keeps them.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('Gigabytes of logs a day at which ingestion stops until the next day. -1: never.')
param logDailyCapGB int = 2

@description('Addresses that alerts are mailed to: not through Mailroom, which may be what is broken.')
param alertEmails array = []

@description('Alert if nothing was delivered for so many hours: 1 to 6, 24 or 48 (windows that Azure Monitor offers). 0: never, for who expects no regular mail.')
@minValue(0)
@maxValue(48)
param noSendHours int = 0

@description('Alert at so many percent of bounces among the deliveries of a day.')
param bounceRatePercent int = 5

@description('Alert at so many hundredths of a percent of complaints among the deliveries of a day. Gmail and Yahoo want less than 10 (0.1 %).')
param complaintRateBasisPoints int = 10

@description('Alert at so many messages in all queues, on average over an hour.')
param backlogMessages int = 5000

@description('Monthly budget for everything with this environment\'s tag, in the subscription\'s currency. 0: none.')
@minValue(0)
param monthlyBudget int = 50

@description('First month of the budget.')
param budgetStart string = utcNow('yyyy-MM-01')

var token = uniqueString(subscription().id, environmentName, location)
var allTags = union(tags, { 'azd-env-name': environmentName, workload: 'mailroom' })
var isolated = networkIsolation != 'public'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: allTags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-mailroom-${token}'
    location: location
    tags: allTags
  }
}

module sender 'identity/sender.bicep' = if (createAppRegistration) {
  name: 'sender'
  scope: group
  params: {
    uniqueName: 'mailroom-${environmentName}-${token}'
    displayName: 'Mailroom (${environmentName})'
    identityPrincipalId: identity.outputs.principalId
    identityTenantId: tenant().tenantId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-mailroom-${token}'
    componentName: 'appi-mailroom-${token}'
    location: location
    tags: allTags
    retentionDays: logRetentionDays
    dailyCapGB: logDailyCapGB
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'stmail${token}'
    location: location
    tags: allTags
    sku: storageSku
    publicAccess: !isolated
    contentDays: int(mailroomSettings.?MAILROOM_CONTENT_DAYS ?? '30')
    linkDays: int(mailroomSettings.?MAILROOM_LINK_MAX_DAYS ?? '90')
    returnedDays: int(mailroomSettings.?MAILROOM_RETURNED_DAYS ?? '30')
  }
}

module keyVault 'modules/keyvault.bicep' = {
  name: 'keyvault'
  scope: group
  params: {
    name: 'kv-mail-${token}'
    location: location
    tags: allTags
    publicAccess: !isolated
    workspaceId: monitoring.outputs.workspaceId
    signingKeyName: mailroomSettings.?MAILROOM_SIGNING_KEY_NAME ?? 'mailroom-signing-key'
  }
}

module network 'modules/network.bicep' = if (isolated) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-mailroom-${token}'
    location: location
    tags: allTags
    addressPrefix: addressPrefix
    storageId: storage.outputs.id
    keyVaultId: keyVault.outputs.id
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageName: storage.outputs.name
    keyVaultName: keyVault.outputs.name
    componentName: monitoring.outputs.componentName
    writesSecrets: credential == 'delegated'
    queueSenders: queueSenders
  }
}

module app 'modules/functionapp.bicep' = {
  name: 'functionapp'
  scope: group
  params: {
    name: 'func-mailroom-${token}'
    planName: 'plan-mailroom-${token}'
    location: location
    tags: allTags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    keyVaultUrl: keyVault.outputs.url
    connectionString: monitoring.outputs.connectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttp: alwaysReadyHttp
    zoneRedundant: zoneRedundant
    subnetId: network.?outputs.appSubnetId ?? ''
    publicAccess: networkIsolation != 'all'
    senders: senders
    mailTenantId: mailTenantId
    mailClientId: sender.?outputs.clientId ?? mailClientId
    credential: credential
    mailroomSettings: mailroomSettings
    apiAuth: apiAuthentication == 'entra' ? 'entra' : 'keys'
    apiClientId: apiClientId
  }
  dependsOn: [roles]
}

module appEndpoint 'modules/appendpoint.bicep' = if (networkIsolation == 'all') {
  name: 'appendpoint'
  scope: group
  params: {
    location: location
    tags: allTags
    appId: app.outputs.id
    subnetId: network.?outputs.endpointSubnetId ?? ''
    networkId: network.?outputs.id ?? ''
  }
}

module authentication 'modules/authentication.bicep' = if (apiAuthentication == 'entra') {
  name: 'authentication'
  scope: group
  params: {
    appName: app.outputs.name
    apiClientId: apiClientId
    callers: apiCallers
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: allTags
    componentId: monitoring.outputs.componentId
    storageId: storage.outputs.id
    emails: alertEmails
    noSendHours: noSendHours
    bounceRatePercent: bounceRatePercent
    complaintRateBasisPoints: complaintRateBasisPoints
    backlogMessages: backlogMessages
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: allTags
    componentId: monitoring.outputs.componentId
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  name: 'budget-mailroom-${environmentName}'
  params: {
    name: 'budget-mailroom-${environmentName}'
    amount: monthlyBudget
    startDate: budgetStart
    environmentName: environmentName
    emails: alertEmails
  }
}

// What the next steps need: azd keeps these as variables of the environment.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_FUNCTION_APP_NAME string = app.outputs.name
output AZURE_KEY_VAULT_NAME string = keyVault.outputs.name
output AZURE_STORAGE_ACCOUNT_NAME string = storage.outputs.name
output AZURE_MANAGED_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output MAILROOM_URL string = app.outputs.url
output MAILROOM_CLIENT_ID string = sender.?outputs.clientId ?? mailClientId
@description('For infra/exchange: the object id of the enterprise application, not the app registration\'s.')
output MAILROOM_SERVICE_PRINCIPAL_ID string = sender.?outputs.servicePrincipalId ?? ''
