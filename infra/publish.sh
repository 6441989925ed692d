#!/bin/sh
# Deploys a package that was built here, as it is. It speaks to the publishing endpoint of the Flex
# Consumption plan itself, because `az functionapp deployment source config-zip` asks Azure to build
# every Python package anew there, whatever --build-remote says (enable_zip_deploy_flex of azure-cli).
# `azd deploy` sends the same request as this (funcapp_host_client.go of azd).
#
# Usage: infra/publish.sh build/package.zip, after `az login`, with curl and jq.
set -eu

: "${AZURE_RESOURCE_GROUP:?is an output of the deployment; see docs/deploy.md}" "${FUNCTION_APP_NAME:?}"
package=${1:?is the package, such as build/package.zip}
pause=${PUBLISH_PAUSE:-60} # seconds between two tries

host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$FUNCTION_APP_NAME" \
    --query "hostNameSslStates[?hostType=='Repository'].name | [0]" --output tsv)

# The token goes to curl by standard input, so that no list of processes shows it.
request() {
    az account get-access-token --query accessToken --output tsv |
        sed 's/.*/header = "Authorization: Bearer &"/' |
        curl --config - --silent --show-error --max-time 300 --output "$answer" \
            --write-out '%{http_code}' "$@" || true
}

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

publish() {
    status=$(request --request POST --header 'Content-Type: application/zip' \
        --data-binary "@$package" "https://$host/api/publish?RemoteBuild=false")
    [ "$status" = 202 ] && id=$(jq -er . "$answer")
}

# The service answers 404 before a deployment begins, and again once its worker was replaced.
succeeded() {
    seen=
    for _ in $(seq 300); do
        status=$(request "https://$host/api/deployments/$id")
        if [ "$status" = 404 ] && [ -n "$seen" ]; then return 0; fi
        if [ "$status" = 200 ] || [ "$status" = 202 ]; then
            seen=yes
            case $(jq -r .status "$answer") in
            4) return 0 ;;
            -1 | 3 | 5 | 6) return 1 ;;
            esac
        fi
        sleep "${PUBLISH_POLL:-2}"
    done
    return 1
}

# A new role assignment takes minutes to take effect, and the service answers 503 now and then.
for try in 1 2 3 4 5; do
    if publish && succeeded; then
        echo "Deployed $package to $FUNCTION_APP_NAME."
        exit 0
    fi
    echo "Try $try failed with HTTP ${status:-000}: $(head -c 500 "$answer")" >&2
    if [ "$try" != 5 ]; then sleep "$pause"; fi
done
exit 1
