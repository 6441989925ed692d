metadata name = 'Monitoring'
metadata description = 'A Log Analytics workspace, and Application Insights on it that takes telemetry from Entra identities only.'

@description('Required. Name of the workspace.')
param logAnalyticsName string

@description('Required. Name of the Application Insights component.')
param applicationInsightsName string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Days for which logs are kept.')
param retentionDays int

@description('Required. Most gigabytes a day; 0 is no limit.')
param dailyGigabytes int

resource logAnalytics 'Microsoft.OperationalInsights/workspaces@2026-03-01' = {
  name: logAnalyticsName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyGigabytes == 0 ? -1 : dailyGigabytes
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logAnalytics.id
    DisableLocalAuth: true
  }
}

// The tables of Application Insights keep their rows for 90 days whatever the workspace says, so each
// gets its own. They hold ids of customers.
var applicationInsightsTables = [
  'AppAvailabilityResults'
  'AppBrowserTimings'
  'AppDependencies'
  'AppEvents'
  'AppExceptions'
  'AppMetrics'
  'AppPageViews'
  'AppPerformanceCounters'
  'AppRequests'
  'AppSystemEvents'
  'AppTraces'
]

resource tables 'Microsoft.OperationalInsights/workspaces/tables@2026-03-01' = [
  for table in applicationInsightsTables: {
    parent: logAnalytics
    name: table
    properties: {
      retentionInDays: retentionDays
      totalRetentionInDays: retentionDays
    }
    dependsOn: [
      applicationInsights
    ]
  }
]

@description('Resource id of the workspace.')
output logAnalyticsId string = logAnalytics.id

@description('Resource id of the component.')
output applicationInsightsId string = applicationInsights.id

@description('Name of the component.')
output applicationInsightsName string = applicationInsights.name

@description('Where telemetry goes. With local authentication off it opens nothing by itself.')
output applicationInsightsConnectionString string = applicationInsights.properties.ConnectionString
