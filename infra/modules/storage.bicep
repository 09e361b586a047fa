// The storage account: queues, tables and blobs of Mailroom (shared/storage/names.py), of the
// Functions host, and the container that the code is published to. There are no keys.
param name string
param location string
param tags object
param sku string
param publicAccess bool

@description('MAILROOM_CONTENT_DAYS, MAILROOM_LINK_MAX_DAYS and MAILROOM_RETURNED_DAYS.')
param contentDays int
param linkDays int
param returnedDays int

// The names of shared/storage/names.py; tests/infra compares them.
var queueNames = [
  'outbound-mail'
  'outbound-mail-high'
  'bounce-events'
  'complaint-events'
  'unsubscribe-events'
  'delivery-events'
  'digest-items'
]
var containerNames = [
  'mail-content'
  'returned-mail'
  'mail-templates'
  'secure-files'
]
var tableNames = [
  'messages'
  'timeline'
  'suppressions'
  'quotas'
  'settings'
  'returned'
  'reputation'
  'links'
  'topics'
  'visits'
  'erasures'
  'digests'
  'deliverytests'
]
var packageContainerName = 'app-package'

// Mailroom deletes what has expired itself (the timer delete_expired). These rules are the net below
// it, for where it has not run. So they wait for the longest that a message may be put off (a year),
// be held and be tried, with two months for that.
var longestWait = 365 + 60

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  // checkov:skip=CKV_AZURE_35: denied with networkIsolation; a public Flex Consumption app has no addresses to allow
  // checkov:skip=CKV_AZURE_206: by parameter: three zones unless another region is asked for
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    isLocalUserEnabled: false
    isSftpEnabled: false
    accessTier: 'Hot'
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      // Where it is public, identities guard it: an app of Flex Consumption outside of a virtual
      // network has no addresses of its own that could be named here.
      defaultAction: publicAccess ? 'Allow' : 'Deny'
      bypass: 'AzureServices'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      // Queues and tables too get a key that belongs to the account; it cannot be chosen later.
      services: {
        blob: {
          keyType: 'Account'
        }
        queue: {
          keyType: 'Account'
        }
        table: {
          keyType: 'Account'
        }
      }
      requireInfrastructureEncryption: true
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    // A week to undo a mistake. Longer would keep mail that Mailroom has promised to delete.
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for containerName in containerNames: {
  parent: blobs
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}]

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: packageContainerName
  properties: {
    publicAccess: 'None'
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

// A queue trigger waits for its queue, but does not make it.
resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [for queueName in queueNames: {
  parent: queueService
  name: queueName
}]

resource poisonQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [for queueName in queueNames: {
  parent: queueService
  name: '${queueName}-poison'
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [for tableName in tableNames: {
  parent: tableService
  name: tableName
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'content-net'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['mail-content/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: longestWait + contentDays
                }
              }
            }
          }
        }
        {
          name: 'files-net'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['secure-files/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: longestWait + linkDays
                }
              }
            }
          }
        }
        {
          name: 'returned-net'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['returned-mail/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: returnedDays + 7
                }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [containers]
}

output id string = account.id
output name string = account.name
output packageContainer string = packages.name
