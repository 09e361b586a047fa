// A workbook on what Mailroom does: deliveries, what comes back, what is wrong.
param location string
param tags object
param componentId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(componentId, 'mailroom-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Mailroom'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: componentId
    serializedData: loadTextContent('../workbook.json')
  }
}
