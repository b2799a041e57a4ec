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

/** Read both; what was read before stays while the service does not answer. */
export async function readCatalog(client: Client): Promise<void> {
  try {
    const [document, models] = await Promise.all([request<OpenApiDocument>("/openapi.json"), client.models()]);
    catalog.value = { parameters: readParameters(document), models, isRead: true };
  } catch (error) {
    noteRefusal(error);
  }
}
