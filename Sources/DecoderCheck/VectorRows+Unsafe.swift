func printRows(_ name: String) {}
