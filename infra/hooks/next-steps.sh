#!/bin/sh
# Prints the steps that a person has to do after the infrastructure is deployed. It changes nothing
# and calls nothing: it only puts the names of this environment into commands. It reads the outputs of
# the deployment from environment variables of the same names, which azd sets.
set -eu

: "${FUNCTION_APP_URL:?is an output of the deployment; see docs/deploy.md}"
: "${FUNCTION_APP_NAME:?}" "${AZURE_RESOURCE_GROUP:?}" "${AZURE_AUTHORITY:?}" "${AZURE_TENANT_ID:?}"
: "${IDENTITY_PRINCIPAL_ID:?}" "${KEY_VAULT_NAME:?}" "${KEY_VAULT_ID:?}"
: "${PARTNER_CENTER_TENANT_ID:?}" "${PARTNER_CENTER_CLIENT_ID:?}" "${PARTNER_CENTER_AUTH:?}"
: "${PARTNER_CENTER_CREDENTIAL:?}" "${PARTNER_CENTER_CLOUD:?}"
: "${PARTNER_CENTER_CLIENT_SECRET_NAME:?}" "${PARTNER_CENTER_CERTIFICATE_NAME:?}"
: "${PARTNER_CENTER_REFRESH_TOKEN_NAME:?}" "${CART_CALLERS:?}"

authority=${AZURE_AUTHORITY%/}
partner_center=https://api.partnercenter.microsoft.com
audience=api://AzureADTokenExchange
partner_authority=https://login.microsoftonline.com
case $PARTNER_CENTER_CLOUD in
china)
    partner_center=https://partner.partnercenterapi.microsoftonline.cn
    audience=api://AzureADTokenExchangeChina
    partner_authority=https://login.partner.microsoftonline.cn
    ;;
usgov)
    audience=api://AzureADTokenExchangeUSGov
    partner_authority=https://login.microsoftonline.us
    ;;
esac

token_endpoint=$partner_authority/$PARTNER_CENTER_TENANT_ID/oauth2/v2.0
scope=$partner_center/user_impersonation%20offline_access

step=0
title() {
    step=$((step + 1))
    printf '\n%s. %s\n\n' "$step" "$1"
}

# Prints how the person who is signed in gets the role $1 on the vault with the id $2, and loses it.
allow_me() {
    cat <<EOF
    az role assignment create --role '$1' \\
      --assignee-object-id "\$(az ad signed-in-user show --query id --output tsv)" \\
      --assignee-principal-type User --scope '$2'

  It takes effect within some minutes. Remove it when you are done:

    az role assignment delete --role '$1' --scope '$2' \\
      --assignee "\$(az ad signed-in-user show --query id --output tsv)"

EOF
}

printf 'The infrastructure is there. These steps are left for you:\n'

title 'Register the application in Partner Center'
cat <<EOF
  As global administrator: Partner Center, Account settings, App management, Web app,
  add the existing application $PARTNER_CENTER_CLIENT_ID
EOF

case $PARTNER_CENTER_CREDENTIAL in
secret)
    title "Put the application's secret into the vault"
    allow_me 'Key Vault Secrets Officer' "$KEY_VAULT_ID"
    cat <<EOF
    SECRET=\$(az ad app credential reset --id '$PARTNER_CENTER_CLIENT_ID' --append --years 1 \\
      --display-name '$FUNCTION_APP_NAME' --query password --output tsv) &&
      printf %s "\$SECRET" | az keyvault secret set --vault-name '$KEY_VAULT_NAME' --output none \\
        --name '$PARTNER_CENTER_CLIENT_SECRET_NAME' --file /dev/stdin
EOF
    ;;
certificate)
    title 'Make a certificate in the vault, and register it with the application'
    allow_me 'Key Vault Certificates Officer' "$KEY_VAULT_ID"
    cat <<EOF
    az keyvault certificate create --vault-name '$KEY_VAULT_NAME' --output none \\
      --name '$PARTNER_CENTER_CERTIFICATE_NAME' \\
      --policy "\$(az keyvault certificate get-default-policy)"
    az keyvault certificate download --vault-name '$KEY_VAULT_NAME' --encoding PEM \\
      --name '$PARTNER_CENTER_CERTIFICATE_NAME' --file carts.pem
    az ad app credential reset --id '$PARTNER_CENTER_CLIENT_ID' --append \\
      --cert @carts.pem --output none
EOF
    ;;
federated)
    title "Let the managed identity stand for the application"
    if [ "$AZURE_TENANT_ID" != "$PARTNER_CENTER_TENANT_ID" ]; then
        cat <<EOF
  This subscription is in the tenant $AZURE_TENANT_ID. The application
  must be registered in that same tenant; otherwise use a secret or a certificate.

EOF
    fi
    cat <<EOF
    az ad app federated-credential create --id '$PARTNER_CENTER_CLIENT_ID' --parameters '{
      "name": "$FUNCTION_APP_NAME",
      "issuer": "$authority/$AZURE_TENANT_ID/v2.0",
      "subject": "$IDENTITY_PRINCIPAL_ID",
      "audiences": ["$audience"]
    }'
EOF
    ;;
esac

if [ "$PARTNER_CENTER_AUTH" = app_user ]; then
    : "${REFRESH_TOKEN_VAULT_NAME:?}" "${REFRESH_TOKEN_VAULT_ID:?}"
    title 'Consent once, and put the refresh token into its vault'
    cat <<EOF
  Use a bash with jq, such as Azure Cloud Shell. First give the application the permission for Partner
  Center, and the redirect address. The second command replaces the application's web redirect
  addresses, so add those that it has already.

    az ad app permission add --id '$PARTNER_CENTER_CLIENT_ID' \\
      --api fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd \\
      --api-permissions 1cebfa2a-fb4d-419e-b5f9-839b4383e05a=Scope
    az ad app update --id '$PARTNER_CENTER_CLIENT_ID' --web-redirect-uris http://localhost

EOF
    allow_me 'Key Vault Secrets Officer' "$REFRESH_TOKEN_VAULT_ID"
    cat <<EOF
  Then sign in with MFA, as the agent for whom carts are made. Open:

    $token_endpoint/authorize?client_id=$PARTNER_CENTER_CLIENT_ID&response_type=code&redirect_uri=http://localhost&scope=$scope&prompt=login

  The browser ends at an address that it cannot show. Copy the text between 'code=' and the next '&'
  from that address. It can be used once, within some minutes; paste it when 'read' waits:

EOF
    if [ "$PARTNER_CENTER_CREDENTIAL" = secret ]; then
        cat <<EOF
    SECRET=\$(az keyvault secret show --vault-name '$KEY_VAULT_NAME' \\
      --name '$PARTNER_CENTER_CLIENT_SECRET_NAME' --query value --output tsv)
EOF
    else
        cat <<EOF
    SECRET=\$(az ad app credential reset --id '$PARTNER_CENTER_CLIENT_ID' --append \\
      --display-name consent --end-date "\$(date -u -d tomorrow +%F)" \\
      --query password --output tsv)
EOF
    fi
    cat <<EOF
    read -r -s CODE
    TOKEN=\$({ printf 'grant_type=authorization_code&redirect_uri=http://localhost'
        printf '&client_id=%s&scope=%s' '$PARTNER_CENTER_CLIENT_ID' '$scope'
        printf '&code=%s&client_secret=' "\$CODE"
        printf %s "\$SECRET" | jq -sRr @uri
      } | curl -fsS --data @- '$token_endpoint/token' | jq -er .refresh_token) &&
      printf %s "\$TOKEN" | az keyvault secret set --vault-name '$REFRESH_TOKEN_VAULT_NAME' \\
        --output none --name '$PARTNER_CENTER_REFRESH_TOKEN_NAME' --file /dev/stdin
EOF
    if [ "$PARTNER_CENTER_CREDENTIAL" != secret ]; then
        cat <<EOF
    az ad app credential delete --id '$PARTNER_CENTER_CLIENT_ID' --key-id \\
      "\$(az ad app credential list --id '$PARTNER_CENTER_CLIENT_ID' --output tsv \\
        --query "[?displayName=='consent'].keyId")"

  The secret made here is only for the consent; the last command deletes it.
EOF
    fi
fi

title 'See what is still missing'
if [ "$CART_CALLERS" = entra ]; then
    : "${CARTS_CALLER_CLIENT_ID:?}"
    cat <<EOF
  Do this after each step, once the app is deployed, as a person with the role Operations.Manage. It
  buys nothing. docs/deploy.md says under "Callers" how people get the role.

    TOKEN=\$(az account get-access-token --scope 'api://$CARTS_CALLER_CLIENT_ID/.default' \\
      --query accessToken --output tsv)
    make ready URL='$FUNCTION_APP_URL' TOKEN="\$TOKEN"

EOF
else
    cat <<EOF
  Do this after each step, once the app is deployed. It buys nothing.

    KEY=\$(az functionapp keys list --resource-group '$AZURE_RESOURCE_GROUP' \\
      --name '$FUNCTION_APP_NAME' --query functionKeys.default --output tsv)
    make ready URL='$FUNCTION_APP_URL' KEY="\$KEY"

EOF
fi
cat <<EOF
  Each link that is missing comes with what to do about it. When nothing is missing any more, docs/deploy.md
  has the first cart.

EOF
