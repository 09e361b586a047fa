// Alerts on what the app logs, and whom they tell. The queries are in infra/alerts, the runbooks in
// docs/operations.md, by the alert's name.
param location string
param tags object
param componentId string
param storageId string
param emails array
param noSendHours int
param bounceRatePercent int
param complaintRateBasisPoints int
param backlogMessages int

// window: what the query sees; every: how often it is asked. `Value` of the query is compared.
var rules = [
  {
    name: 'not-running'
    severity: 0
    query: loadTextContent('../alerts/not-running.kql')
    window: 'PT15M'
    every: 'PT5M'
    operator: 'LessThan'
    threshold: 1
    what: 'The app does not run: its timer has not run for 15 minutes.'
  }
  {
    name: 'poison'
    severity: 1
    query: loadTextContent('../alerts/poison.kql')
    window: 'PT15M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    what: 'Messages were given up on.'
  }
  {
    name: 'set-aside'
    severity: 1
    query: loadTextContent('../alerts/set-aside.kql')
    window: 'PT15M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    what: 'Office 365 refuses a mailbox or the tenant.'
  }
  {
    name: 'token-failures'
    severity: 1
    query: loadTextContent('../alerts/token-failures.kql')
    window: 'PT15M'
    every: 'PT5M'
    operator: 'GreaterThan'
    threshold: 2
    what: 'Entra ID gives no tokens.'
  }
  {
    name: 'secrets-unreadable'
    severity: 2
    query: loadTextContent('../alerts/secrets-unreadable.kql')
    window: 'PT1H'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 2
    what: 'Key Vault cannot be read or written.'
  }
  {
    name: 'secret-expiry'
    severity: 2
    query: loadTextContent('../alerts/secret-expiry.kql')
    window: 'P1D'
    every: 'P1D'
    operator: 'GreaterThan'
    threshold: 0
    what: 'A secret in Key Vault expires soon.'
  }
  {
    name: 'function-failures'
    severity: 2
    query: loadTextContent('../alerts/function-failures.kql')
    window: 'PT15M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 4
    what: 'Functions end in exceptions.'
  }
  {
    name: 'api-errors'
    severity: 2
    query: loadTextContent('../alerts/api-errors.kql')
    window: 'PT15M'
    every: 'PT5M'
    operator: 'GreaterThan'
    threshold: 4
    what: 'The API answers 5xx.'
  }
  {
    name: 'returned-mail-unread'
    severity: 2
    query: loadTextContent('../alerts/returned-mail-unread.kql')
    window: 'PT1H'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 5
    what: 'A mailbox cannot be read: bounces and complaints are not seen.'
  }
  {
    name: 'failed-sends'
    severity: 1
    query: loadTextContent('../alerts/failed-sends.kql')
    window: 'PT1H'
    every: 'PT15M'
    operator: 'GreaterThanOrEqual'
    threshold: 10
    what: 'Many messages end failed.'
  }
  {
    name: 'queue-age'
    severity: 2
    query: loadTextContent('../alerts/queue-age.kql')
    window: 'PT30M'
    every: 'PT15M'
    operator: 'GreaterThanOrEqual'
    threshold: 30
    what: 'Mail that could be sent waits in a queue.'
  }
  {
    name: 'quota-headroom'
    severity: 2
    query: loadTextContent('../alerts/quota-headroom.kql')
    window: 'PT1H'
    every: 'PT1H'
    operator: 'GreaterThanOrEqual'
    threshold: 80
    what: 'The day of a mailbox, or of the tenant, is nearly used up.'
  }
  {
    name: 'bounce-rate'
    severity: 2
    query: loadTextContent('../alerts/bounce-rate.kql')
    window: 'P1D'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: bounceRatePercent
    what: 'Too much bounces.'
  }
  {
    name: 'complaint-rate'
    severity: 1
    query: loadTextContent('../alerts/complaint-rate.kql')
    window: 'P1D'
    every: 'PT1H'
    operator: 'GreaterThanOrEqual'
    threshold: complaintRateBasisPoints
    what: 'Too many recipients complain.'
  }
  {
    name: 'service-changed'
    severity: 2
    query: loadTextContent('../alerts/service-changed.kql')
    window: 'PT1H'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    what: 'The submission service or its tokens have changed.'
  }
  {
    name: 'brought-back'
    severity: 3
    query: loadTextContent('../alerts/brought-back.kql')
    window: 'PT1H'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 20
    what: 'Many messages had been forgotten and were brought back.'
  }
]
var noSendWindow = noSendHours < 24 ? 'PT${noSendHours}H' : 'P${noSendHours / 24}D'
var receivers = [for email in emails: {
  name: email
  emailAddress: email
  useCommonAlertSchema: true
}]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-mailroom'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'mailroom'
    enabled: true
    emailReceivers: receivers
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'mailroom-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Mailroom: ${rule.name}'
    description: '${rule.what} Runbook: docs/operations.md#${rule.name}'
    severity: rule.severity
    enabled: true
    scopes: [componentId]
    evaluationFrequency: rule.every
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          metricMeasureColumn: 'Value'
          timeAggregation: 'Total'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // The tables are empty, and unknown, until the app has run for the first time.
    skipQueryValidation: true
    actions: {
      actionGroups: [group.id]
    }
  }
}]

resource noSend 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (noSendHours > 0) {
  name: 'mailroom-no-send'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Mailroom: no-send'
    description: 'Nothing was delivered for ${noSendHours} hours. Runbook: docs/operations.md#no-send'
    severity: 2
    enabled: true
    scopes: [componentId]
    evaluationFrequency: 'PT1H'
    windowSize: noSendWindow
    criteria: {
      allOf: [
        {
          query: loadTextContent('../alerts/no-send.kql')
          metricMeasureColumn: 'Value'
          timeAggregation: 'Total'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: {
      actionGroups: [group.id]
    }
  }
}

// The only thing that Azure measures of queues, once an hour: how many messages there are in all of
// them. Messages that wait for their time are among them.
resource backlog 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'mailroom-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'Many messages wait in the queues. Runbook: docs/operations.md#backlog'
    severity: 2
    enabled: true
    scopes: ['${storageId}/queueServices/default']
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'messages'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.Storage/storageAccounts/queueServices'
          metricName: 'QueueMessageCount'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: backlogMessages
        }
      ]
    }
    actions: [
      {
        actionGroupId: group.id
      }
    ]
  }
}
