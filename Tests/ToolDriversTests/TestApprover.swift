// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Planning
import Testing

/// A person with an SSH key of their own, whom a list of signers names.
struct TestApprover: Sendable {
    private let key: String

    /// - Parameter path: where the private key is written.
    init(key path: String) async throws {
        key = path
        try await Self.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", path)
    }

    var signers: @Sendable () throws -> AllowedSigners {
        { [key] in
            let line = String(decoding: try LinuxFileStore().read(key + ".pub", limit: 4096) ?? [], as: UTF8.self)
            return try AllowedSigners(parsing: "admin namespaces=\"meshgate-wipe\" \(line)")
        }
    }

    /// A signed warrant for a step, good for ten minutes, with `change` made before it is signed.
    func warrant(
        for step: Step, in plan: Plan, losing losses: TerraformLosses? = nil, _ change: (inout TeardownTerms) -> Void = { _ in }
    ) async throws -> WarrantEnvelope {
        let now = SystemClock.now().wall
        var terms = TeardownTerms(
            mesh: plan.spec.name, id: try #require(WarrantID(try KernelEntropy().hexID())), plan: plan.digest, step: step.id,
            destroys: TeardownTerms.losses(losses?.lines ?? step.destroys), objects: losses?.digest, notBefore: now + .seconds(-30),
            notAfter: now + .seconds(600))
        change(&terms)
        let signature = try await Self.tool(
            "ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", WarrantTerms.namespace, input: Array(terms.text.utf8))
        return WarrantEnvelope(text: terms.text, signatures: [signature])
    }

    @discardableResult
    private static func tool(_ name: String, _ arguments: String..., input: [UInt8] = []) async throws -> String {
        let result = try await ProcessCommandRunner().run(
            Invocation(name, arguments, environment: ["PATH": "/usr/bin:/bin"], standardInput: input, deadline: .seconds(60)))
        try #require(result.succeeded, "\(result.errorText)")
        return result.outputText
    }
}
