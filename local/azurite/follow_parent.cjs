// Loaded before Azurite (node --require). Standard input is a pipe that only the parent holds:
// its end means that the parent is gone, however it went, and Azurite saves and goes too.
process.stdin.on("end", () => {
  setTimeout(() => process.exit(1), 5000).unref(); // a close that hangs ends all the same
  process.kill(process.pid, "SIGTERM");
});
process.stdin.on("error", () => process.exit(1));
process.stdin.resume();
process.stdin.unref(); // or the pipe would keep node running after an ordinary SIGTERM
