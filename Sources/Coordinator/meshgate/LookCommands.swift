// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshTrust
import OperatorAPI
import Planning

/// `meshgate verify`: is everything still as the plan left it?
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Look whether everything is still as the plan leaves it. Changes nothing.",
        discussion: """
            Every step's own test of being done is judged again, on evidence that is taken now: nodes, disks, Cilium, the mesh, the kept
            report of the connectivity test, services. It is a run of its own, so it waits for none and none may be going on.

            Examples:
              meshgate verify -f mesh.yaml
              meshgate verify -f mesh.yaml --output json | jq -r 'select(.state == "failed") | .step + ": " + .detail'

            Exit codes: 0 all as planned, 1 something is not, or could not be seen.
            """)
    @OptionGroup var mesh: MeshOption
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await asking(connection) { client in
            let plan = try Planner.lookingOver(try mesh.lintedSpec(), onlyConfiguration: false, hash: sha256, digest: planDigest)
            try await carryOut(plan, through: client, output: output.output)
        }
    }
}

/// `meshgate drift`: did somebody change what the plan configured?
struct DriftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift", abstract: "Look whether what the plan configured was changed since. Changes nothing.",
        discussion: """
            Like `meshgate verify`, but asks only what compares configuration with mesh.yaml: cilium-config, versions of releases, pod ranges,
            the shared CA, NodePorts, Terraform's plan. Health is not asked: a node that is down is no drift.

            Examples:
              meshgate drift -f mesh.yaml
              meshgate drift -f mesh.yaml --output json     for a nightly job

            Exit codes: 0 no drift, 1 drift, or something could not be seen.
            """)
    @OptionGroup var mesh: MeshOption
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await asking(connection) { client in
            let plan = try Planner.lookingOver(try mesh.lintedSpec(), onlyConfiguration: true, hash: sha256, digest: planDigest)
            try await carryOut(plan, through: client, output: output.output)
        }
    }
}
