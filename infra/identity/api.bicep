// The app registration that callers of the API get tokens for, with the roles Mail.Send and
// Mail.Admin. Only applications that have been given a role get a token (appRoleAssignmentRequired):
// Entra ID refuses the others before the API sees them.
extension microsoftGraphV1

@description('Name by which a later deployment finds the app registration again; it cannot be changed.')
param uniqueName string

@description('What people see.')
param displayName string = 'Mailroom API'

@description('Object ids of the service principals (managed identities among them) that may send.')
param senders array = []

@description('Object ids of the service principals that may do everything.')
param administrators array = []

var sendRoleId = guid(uniqueName, 'Mail.Send')
var adminRoleId = guid(uniqueName, 'Mail.Admin')

resource app 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  description: 'The API of Mailroom.'
  signInAudience: 'AzureADMyOrg'
  identifierUris: ['api://${tenant().tenantId}/${uniqueName}']
  api: {
    requestedAccessTokenVersion: 2
  }
  appRoles: [
    {
      id: sendRoleId
      value: 'Mail.Send'
      displayName: 'Send mail'
      description: 'Send messages, look at them and take them back.'
      allowedMemberTypes: ['Application']
      isEnabled: true
    }
    {
      id: adminRoleId
      value: 'Mail.Admin'
      displayName: 'Run Mailroom'
      description: 'Everything that the API does: templates, replay, resolving, held messages, links.'
      allowedMemberTypes: ['Application', 'User']
      isEnabled: true
    }
  ]
}

resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: app.appId
  appRoleAssignmentRequired: true
}

resource sendAssignments 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for principalId in senders: {
  appRoleId: sendRoleId
  principalId: principalId
  resourceId: servicePrincipal.id
}]

resource adminAssignments 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for principalId in administrators: {
  appRoleId: adminRoleId
  principalId: principalId
  resourceId: servicePrincipal.id
}]

@description('MAILROOM_API_CLIENT_ID of the deployment, and the audience of its tokens.')
output clientId string = app.appId
@description('Callers ask for a token with the scope <this>/.default.')
output identifierUri string = app.identifierUris[0]
