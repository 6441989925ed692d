// The workflow of workflow.json, with what admits it to the function: a function key, or, where
// callers sign in, the workflow's own managed identity.

@description('Where the function app is, without a slash at the end.')
param functionUrl string

@description('A function key, made for this workflow. It is not needed where callers sign in.')
@secure()
param functionKey string = ''

@description('Where callers sign in: api:// and the client id of the application that stands for the function.')
param audience string = ''

param location string = resourceGroup().location

var sample = loadJsonContent('workflow.json')

var byKey = {
  headers: {
    'x-functions-key': '@{parameters(\'functionKey\')}'
  }
}

var byIdentity = {
  authentication: {
    type: 'ManagedServiceIdentity'
    audience: audience
  }
}

var admission = {
  actions: {
    Until_found: {
      actions: {
        Place_order: {
          inputs: empty(audience) ? byKey : byIdentity
        }
      }
    }
  }
}

resource workflow 'Microsoft.Logic/workflows@2019-05-01' = {
  name: 'place-order'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    definition: union(sample.definition, admission)
    parameters: {
      functionUrl: {
        value: functionUrl
      }
      functionKey: {
        value: functionKey
      }
    }
  }
}

output id string = workflow.id

@description('Who the workflow is in Microsoft Entra ID; it needs the role Orders.Buy where callers sign in.')
output identity string = workflow.identity.principalId
