// SPDX-License-Identifier: Apache-2.0

import MeshSystem

/// Two authorities, servers named `mesh.test` and `localhost` (`local`) and a client of the first, made with the openssl command, in a directory that goes away.
package struct TestCertificates: Sendable {
    package let directory: String

    /// The path of one of them: `ca.pem`, `server.key`, `client.pem`, ...
    package func file(_ name: String) -> String { "\(directory)/\(name)" }
    /// Its content.
    package func pem(_ name: String) throws -> [UInt8] {
        guard let bytes = try LinuxFileStore().read(file(name), limit: 1 << 20) else { throw SetUpFailure("there is no \(name)") }
        return bytes
    }
}

/// Runs `body` with certificates of its own.
package func withTestCertificates(_ body: @Sendable (TestCertificates) async throws -> Void) async throws {
    let files = LinuxFileStore()
    let made = TestCertificates(directory: "/tmp/meshgate-test-\(try KernelEntropy().hexID())")
    try files.createDirectory(made.directory)
    let outcome: Result<Void, any Error>
    do {
        try await makeAuthority("ca", in: made)
        try await makeAuthority("other", in: made)
        try await makeLeaf("server", "subjectAltName=DNS:mesh.test", in: made)
        try await makeLeaf("local", "subjectAltName=DNS:localhost,IP:127.0.0.1", in: made)
        try await makeLeaf("client", "extendedKeyUsage=clientAuth", in: made)
        outcome = .success(try await body(made))
    } catch {
        outcome = .failure(error)
    }
    try await run("rm", ["-r", made.directory])
    try outcome.get()
}

private let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]

private func makeAuthority(_ name: String, in made: TestCertificates) async throws {
    try await run(
        "openssl", ["req", "-x509", "-subj", "/CN=\(name)", "-keyout", made.file("\(name).key"), "-out", made.file("\(name).pem")] + newKey)
}

private func makeLeaf(_ name: String, _ extra: String, in made: TestCertificates) async throws {
    let signed = ["-CA", made.file("ca.pem"), "-CAkey", made.file("ca.key"), "-addext", extra]
    try await run(
        "openssl",
        ["req", "-x509", "-subj", "/CN=\(name)", "-keyout", made.file("\(name).key"), "-out", made.file("\(name).pem")] + newKey + signed
            + ["-addext", "basicConstraints=critical,CA:FALSE"])
}

private func run(_ tool: String, _ arguments: [String]) async throws {
    let result = try await ProcessCommandRunner().run(Invocation(tool, arguments, deadline: .seconds(30)))
    guard result.succeeded else { throw SetUpFailure("\(tool) \(arguments.first ?? ""): \(result.errorText)") }
}

/// A test could not be set up.
struct SetUpFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
