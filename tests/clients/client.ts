// Uses the types that openapi-typescript generated. The arguments are the function's URL and its
// key. It prints one JSON object with what it read.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

const [, , url = "", key = ""] = process.argv;
const client = createClient<paths>({ baseUrl: url, headers: { "x-functions-key": key } });
const customerId = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d";

// A trial that renews to a subscription, sold through a reseller.
function cart(quantity: number): components["schemas"]["Cart"] {
  return {
    lineItems: [
      {
        catalogItemId: "CFQ7TTC0LCHC:0003:CFQ7TTC0KF52",
        quantity,
        billingCycle: "none",
        termDuration: "P1M",
        participants: [{ key: "transaction_reseller", value: "5139005" }],
        renewsTo: { termDuration: "P1Y" },
      },
    ],
  };
}

type Accepted = components["schemas"]["AcceptedAnswer"];

// What was done. An operation that was accepted, to be done later, was not asked for.
function answered<T>(result: { data?: T; error?: unknown }): Exclude<T, Accepted> {
  if (result.data === undefined) throw new Error(JSON.stringify(result.error));
  return result.data as Exclude<T, Accepted>;
}

const created = answered(
  await client.POST("/api/customers/{customerId}/carts", {
    params: { path: { customerId }, header: { "Idempotency-Key": "typescript-1" } },
    body: cart(25),
  }),
);
const path = { customerId, cartId: created.id };
const read = answered(
  await client.GET("/api/customers/{customerId}/carts/{cartId}", { params: { path } }),
);
const line = read.lineItems[0]!;
const changed = answered(
  await client.PUT("/api/customers/{customerId}/carts/{cartId}", {
    params: { path },
    // Partner Center might answer null where a request needs a value, so the types differ.
    body: { ...read, lineItems: [{ ...line, quantity: 24 }] } as components["schemas"]["Cart"],
  }),
);
const bought = answered(
  await client.POST("/api/customers/{customerId}/carts/{cartId}/checkout", { params: { path } }),
);
const ordered = answered(
  await client.POST("/api/customers/{customerId}/orders", {
    params: { path: { customerId }, header: { "Idempotency-Key": "typescript-2" } },
    body: cart(25),
  }),
);
const { error: refused } = await client.POST("/api/customers/{customerId}/carts", {
  params: { path: { customerId } },
  body: cart(0),
});
if (refused === undefined) throw new Error("The cart was not refused.");

console.log(
  JSON.stringify({
    created: created.lineItems[0]!.quantity,
    participant: line.participants[0]!.value,
    renewsTo: line.renewsTo?.termDuration,
    changed: changed.lineItems[0]!.quantity,
    bought: bought.status,
    ordered: ordered.status,
    refused: [refused.status, refused.code, refused.errors[0]!.pointer],
    retryable: refused.retryable,
  }),
);
