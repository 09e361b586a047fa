// Easy Auth (version 2) in front of the API: a request without a token of this tenant for this API
// does not reach the app. Which applications get such a token is said in Entra ID (api.bicep).
// The platform does not look at roles: the app does (MAILROOM_API_AUTH), and takes no function key.
param appName string

@description('Client id of the API\'s app registration.')
@minLength(36)
param apiClientId string

@description('Client ids of the applications that may call; empty: whoever has a token.')
param callers array

var policy = {
  allowedApplications: callers
}

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_13: this is what switches it on
  // checkov:skip=CKV_AZURE_63: this is no site; requests are logged in Application Insights
  // checkov:skip=CKV_AZURE_65: this is no site; Flex Consumption has no such setting
  // checkov:skip=CKV_AZURE_66: this is no site; Flex Consumption has no such setting
  // checkov:skip=CKV_AZURE_80: this is no site; there is no .NET in it
  // checkov:skip=CKV_AZURE_88: Flex Consumption does not use Azure Files
  // checkov:skip=CKV_AZURE_222: this is no site; the app says it, by parameter
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      // What recipients and monitors open. The files are guarded by signed addresses.
      excludedPaths: [
        '/api/health'
        '/api/openapi.json'
        '/api/files/*'
        '/api/pages/*'
        '/api/unsubscribe/*'
      ]
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: apiClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [apiClientId]
          defaultAuthorizationPolicy: empty(callers) ? {} : policy
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
