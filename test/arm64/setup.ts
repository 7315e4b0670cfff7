// setup.ts: processes that a test starts are of the same Node: the system runs the file of this one under the emulator only.
process.execPath = process.env.GRADCLIP_ARM64_NODE!;
