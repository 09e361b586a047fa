// The Key Vault: the key that signs Mailroom's marks, and the credential where it is no federated one.
param name string
param location string
param tags object
param publicAccess bool
param workspaceId string
param signingKeyName string

// 244 random bits. A key of your own: az keyvault secret set, which makes it the newest version.
@secure()
param signingKeySeed string = newGuid()
@secure()
param signingKeySalt string = newGuid()

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_109: denied with networkIsolation; a public Flex Consumption app has no addresses to allow
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      // Where it is public, identities guard it: see the storage account.
      defaultAction: publicAccess ? 'Allow' : 'Deny'
      // Azure Resource Manager, for the signing key; its services need a role all the same.
      bypass: 'AzureServices'
    }
  }
}

// Only made where there is none: a second deployment must not rotate the key.
@onlyIfNotExists()
resource signingKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  // checkov:skip=CKV_AZURE_41: a key that expires would end all links and marks in mail at once; rotation is a new version
  parent: vault
  name: signingKeyName
  tags: tags
  properties: {
    value: '${signingKeySeed}${signingKeySalt}'
    contentType: 'text/plain'
    attributes: {
      enabled: true
    }
  }
}

// Who read or changed which secret, and who was refused.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

output id string = vault.id
output name string = vault.name
output url string = vault.properties.vaultUri
