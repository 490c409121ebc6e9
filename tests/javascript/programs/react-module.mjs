/** React as a module: it is published for bundlers, as scripts that `require` each other. */

import { required } from "./required.mjs";

const react = await required("react");
export const { Activity, StrictMode, createElement, useCallback, useState, useSyncExternalStore } = react;
export default react;
