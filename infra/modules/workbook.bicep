metadata name = 'Workbook'
metadata description = 'What operators look at: purchases, errors, latency, retries, tokens and the volume of logs. Tests check its queries.'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Workspace that the logs are in.')
param logAnalyticsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'operators') // Azure wants a GUID; this is the same in each deployment
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Carts'
    category: 'workbook'
    version: '1.0'
    sourceId: logAnalyticsId
    serializedData: loadTextContent('../workbook.json')
  }
}
