@main struct TraceFuzz { static func main() {} }
