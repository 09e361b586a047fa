// The functions app on Flex Consumption.
param name string
param planName string
param location string
param tags object
param identityId string
param identityClientId string
param storageName string
param packageContainer string
param keyVaultUrl string
param connectionString string
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param alwaysReadyHttp int
param zoneRedundant bool

@description('Subnet for outbound traffic; empty: none.')
param subnetId string
param publicAccess bool

param senders string
param mailTenantId string
param mailClientId string
param credential string
param mailroomSettings object

@description('`keys` or `entra`: how callers of the API say who they are.')
param apiAuth string
param apiClientId string

var alwaysReady = [
  {
    name: 'http'
    instanceCount: alwaysReadyHttp
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  // checkov:skip=CKV_AZURE_225: by parameter, for not every region has zones
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_17: callers are known by key or token; recipients who open a page have no certificate
  // checkov:skip=CKV_AZURE_212: Flex Consumption scales from none by itself; alwaysReadyHttp keeps instances
  // checkov:skip=CKV_AZURE_213: Flex Consumption has no health check; the alert not-running stands for it
  // checkov:skip=CKV_AZURE_222: recipients open pages of the app; networkIsolation=all closes it
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'mailroom' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    clientCertEnabled: false
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      cors: {
        allowedOrigins: []
      }
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttp > 0 ? alwaysReady : []
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
  }
}

// No user name and password for publishing: deployments sign in with Entra ID.
resource scmCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

// FUNCTIONS_WORKER_RUNTIME and FUNCTIONS_EXTENSION_VERSION are no settings on Flex Consumption. An
// AzureWebJobsStorage of its own, even an empty one, would hide the identity-based connection.
resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_13: Entra ID's tokens are optional beside function keys (authentication.bicep)
  // checkov:skip=CKV_AZURE_63: this is no site; requests are logged in Application Insights
  // checkov:skip=CKV_AZURE_65: this is no site; Flex Consumption has no such setting
  // checkov:skip=CKV_AZURE_66: this is no site; Flex Consumption has no such setting
  // checkov:skip=CKV_AZURE_80: this is no site; there is no .NET in it
  // checkov:skip=CKV_AZURE_88: Flex Consumption does not use Azure Files
  // checkov:skip=CKV_AZURE_222: this is no site; the app says it, by parameter
  parent: app
  name: 'appsettings'
  properties: union(
    {
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
      AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
      APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      MAILROOM_SENDERS: senders
      MAILROOM_TENANT_ID: mailTenantId
      MAILROOM_CLIENT_ID: mailClientId
      MAILROOM_CREDENTIAL: credential
      MAILROOM_IDENTITY: 'managed'
      MAILROOM_IDENTITY_CLIENT_ID: identityClientId
      MAILROOM_KEY_VAULT_URL: keyVaultUrl
      MAILROOM_API_AUTH: apiAuth
      MAILROOM_API_CLIENT_ID: apiClientId
      MAILROOM_API_TENANT_ID: tenant().tenantId
      MAILROOM_PUBLIC_URL: 'https://${app.properties.defaultHostName}'
    },
    mailroomSettings
  )
}

output id string = app.id
output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
