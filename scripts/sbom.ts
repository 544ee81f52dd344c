/** Prints a CycloneDX bill of materials of what the service runs with. */
import { billOfMaterials } from './release/bill-of-materials.ts';

process.stdout.write(`${JSON.stringify(billOfMaterials(), null, 2)}\n`);
