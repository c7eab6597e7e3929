/**
 * ACPI tables made from what the board placed.
 * @module
 */

export { placeAcpi, type PlacedAcpi } from "./place.ts";
export { type AcpiTables, acpiTables, type PlacedTable } from "./tables.ts";
