// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import GRPCStream
import ServerTesting
import Telemetry
import Testing

@testable import Tetragon

@Suite("Tetragon over a port with TLS", .timeLimit(.minutes(2))) struct TetragonTLSTests {
    /// A directory like a mounted secret of type kubernetes.io/tls.
    private func secret(_ made: TestCertificates, _ name: String, authority: String, client: String?) throws -> String {
        let directory = made.directory + "/" + name
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: made.file("\(authority).pem"), toPath: directory + "/ca.crt")
        if let client {
            try FileManager.default.copyItem(atPath: made.file("\(client).pem"), toPath: directory + "/tls.crt")
            try FileManager.default.copyItem(atPath: made.file("\(client).key"), toPath: directory + "/tls.key")
        }
        return directory
    }

    /// What becomes of one Tetragon on a port: its version, or why there is none.
    private func ask(_ port: Int, _ trust: GRPCTrust) async -> Result<String, any Error> {
        do {
            return .success(
                try await GRPCDialer().withChannel(to: .tcp(host: "127.0.0.1", port: port), trust: trust) {
                    try await TetragonCalls.version($0)
                })
        } catch {
            return .failure(error)
        }
    }

    @Test("both sides show certificates; another authority, another name, or no certificate of ours is no channel") func trust()
        async throws
    {
        try await withTestCertificates { made in
            let tetragon = StandInTetragon()
            try await tetragon.service.serve(
                certificate: made.file("server.pem"), key: made.file("server.key"), clientRoots: made.file("ca.pem")
            ) { port in
                let good = try secret(made, "good", authority: "ca", client: "client")
                let other = try secret(made, "other-secret", authority: "other", client: "client")
                let nobody = try secret(made, "nobody", authority: "ca", client: nil)
                #expect(try await ask(port, GRPCTrust(directory: good, serverName: "mesh.test")).get() == "v1.7.0")
                for (directory, name) in [(other, "mesh.test"), (good, "other.test"), (nobody, "mesh.test"), ("/nowhere", "mesh.test")] {
                    let answer = await ask(port, GRPCTrust(directory: directory, serverName: name))
                    #expect(throws: (any Error).self, "\(directory) \(name)") { try answer.get() }
                }
            }
        }
    }
}
