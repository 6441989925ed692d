// Signs the body in its input as Shopify does, with the secret that is its argument. It prints the
// signature, and whether Shopify's own check of a webhook takes it.
import "@shopify/shopify-api/adapters/node";
import { shopifyApi } from "@shopify/shopify-api";
import { createSHA256HMAC, HashFormat } from "@shopify/shopify-api/runtime";
import { readFileSync } from "node:fs";

const secret = process.argv[2];
const body = readFileSync(0, "utf8");
const signature = await createSHA256HMAC(secret, body, HashFormat.Base64);
const shop = shopifyApi({
  apiKey: "key",
  apiSecretKey: secret,
  apiVersion: "2026-07",
  hostName: "shop.example.com",
  isEmbeddedApp: false,
  logger: { level: 0 },
});
const checked = await shop.webhooks.validate({
  rawBody: body,
  rawRequest: {
    method: "POST",
    url: "/",
    headers: {
      "x-shopify-hmac-sha256": signature,
      "x-shopify-topic": "orders/paid",
      "x-shopify-api-version": "2026-07",
      "x-shopify-shop-domain": "shop.example.com",
      "x-shopify-webhook-id": "1",
    },
  },
});
console.log(JSON.stringify({ signature, valid: checked.valid }));
