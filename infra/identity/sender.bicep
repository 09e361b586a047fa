// The app registration that sends, with its enterprise application. The function app's managed
// identity is its federated credential, so there is no secret. It gets no permission here: what it
// may do is said in Exchange Online (infra/exchange), for single mailboxes.
//
// An Entra administrator can deploy it alone, where the deployer of the rest may not make applications:
//   az deployment group create -g rg-mailroom-prod --template-file infra/identity/sender.bicep --parameters
//     uniqueName=mailroom-prod displayName=Mailroom identityPrincipalId=… identityTenantId=…
extension microsoftGraphV1

@description('Name by which a later deployment finds the app registration again; it cannot be changed.')
param uniqueName string

@description('What people see.')
param displayName string

@description('Object (principal) id of the function app\'s managed identity. Empty: no federated credential yet.')
param identityPrincipalId string = ''

@description('Tenant of the managed identity.')
param identityTenantId string = tenant().tenantId

resource app 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  description: 'Sends mail of applications through Exchange Online: Mailroom.'
  signInAudience: 'AzureADMyOrg'
  // Tokens in the form that its own API would check; Exchange Online and Graph choose their own.
  api: {
    requestedAccessTokenVersion: 2
  }
}

resource credential 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = if (!empty(identityPrincipalId)) {
  name: '${app.uniqueName}/managed-identity'
  description: 'The managed identity of Mailroom\'s function app.'
  issuer: '${environment().authentication.loginEndpoint}${identityTenantId}/v2.0'
  subject: identityPrincipalId
  audiences: ['api://AzureADTokenExchange']
}

resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: app.appId
  // Nobody signs in to it: it only acts for itself.
  appRoleAssignmentRequired: true
}

output clientId string = app.appId
@description('The object id that Exchange Online wants in New-ServicePrincipal.')
output servicePrincipalId string = servicePrincipal.id
