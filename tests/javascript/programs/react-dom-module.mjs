import { required } from "./required.mjs";

export const { createRoot } = await required("react-dom/client");
