export { createClient, jsonBody, request } from "./client.ts";
export { followJob, type Connection } from "./events.ts";
export { describeError, describeJobError, inputOf, type InputName, type Trouble } from "./problems.ts";
export { noteRefusal, readSession, session, signIn, signOut } from "./session.ts";
export { createUpload, type Upload } from "./upload.ts";
