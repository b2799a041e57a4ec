/** What the service offers: its parameters and the models of its workers. */

import { signal } from "@preact/signals";
import type { Client, Model } from "tcan-client";
import { noteRefusal, request } from "../api/index.ts";
import { readParameters, type OpenApiDocument, type Parameter } from "./parameters.ts";

export const catalog = signal<{ parameters: Parameter[]; models: Model[]; isRead: boolean }>({
  parameters: [],
  models: [],
  isRead: false,
});

/** Read the models, and the parameters once; what was read before stays while the service does not answer. */
export async function readCatalog(client: Client): Promise<void> {
  try {
    const known = catalog.value;
    const [parameters, models] = await Promise.all([
      known.isRead ? known.parameters : request<OpenApiDocument>("/openapi.json").then(readParameters),
      client.models(),
    ]);
    catalog.value = { parameters, models, isRead: true };
  } catch (error) {
    noteRefusal(error);
  }
}
