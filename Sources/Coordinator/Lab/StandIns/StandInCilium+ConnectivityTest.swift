// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// `connectivity test --multi-cluster`: passes when the mesh is connected, and says so in a JUnit file of the real shape.
extension StandInCilium {
    private static let tests = [
        "no-policies", "no-policies-extra", "allow-all-except-world", "client-ingress", "client-egress", "pod-to-node-cidrpolicy",
        "to-entities-world", "echo-ingress-l7",
    ]
    private static let skipped = ["to-entities-world"]

    func testConnectivity() async throws {
        let client = try await client()
        let faults = try await client.faults()
        guard let target = arguments["--multi-cluster"] else {
            throw StandInFailure.error("the stand-in cilium tests connectivity between clusters only; use --multi-cluster")
        }
        let remote = try await self.client(target)
        let name = try await remote.get(.configMap(Self.namespace, "cilium-config"))?["data", "cluster-name"]?.text ?? ""
        call.say("ℹ️  Monitor aggregation detected, will skip some flow validation steps")
        call.say("✨ [\(client.cluster)] Creating namespace cilium-test-1 for connectivity check...")
        // Talos enforces "baseline": pods of an unlabelled namespace never come up.
        for cluster in [client, remote] {
            for namespace in ["cilium-test-1", "cilium-test-ccnp1", "cilium-test-ccnp2"] {
                let labels = try await cluster.get(.namespace(namespace))?["metadata", "labels"]
                guard labels?["pod-security.kubernetes.io/enforce"]?.text == "privileged" else {
                    throw StandInFailure.error(
                        "Connectivity test failed: setup of the test failed: \(cluster.cluster): pods in \(namespace) violate PodSecurity \"baseline:latest\""
                    )
                }
            }
        }
        let configured = try await client.get(.secret(Self.namespace, "cilium-clustermesh"))?["data", name] != nil
        guard configured, !faults.ciliumExitZeroNotConnected else {
            try writeReport(cases: [
                Self.testCase("connectivity test setup", failures: ["timeout reached waiting for service echo-other-node"])
            ])
            throw StandInFailure.error(
                "Connectivity test failed: setup of the test failed: timeout reached waiting for service echo-other-node")
        }
        call.say("🏃[cilium-test-1] Running \(Self.tests.count) tests ...")
        var cases: [(name: String, status: String, text: String)] = []
        for (index, test) in Self.tests.enumerated() {
            let failures =
                index < faults.connectivityFailures ? ["\(test)/pod-to-pod: curl failed", "\(test)/pod-to-pod: exit code 28"] : []
            call.say("[=] [cilium-test-1] Test [\(test)] [\(index + 1)/\(Self.tests.count)]")
            cases.append(Self.testCase(test, failures: failures))
        }
        try writeReport(cases: cases)
        let failed = cases.filter { $0.status == "failed" }.count
        guard failed == 0 else {
            throw StandInFailure.error("connectivity test failed: \(failed) tests failed")
        }
        call.say(
            "✅ [cilium-test-1] All \(cases.count - Self.skipped.count) tests (61 actions) successful, \(Self.skipped.count) tests skipped, 0 scenarios skipped."
        )
    }

    /// `cilium sysdump`: a file where it was asked for.
    func sysdump() async throws {
        _ = try await client()
        let path = call.absolute((arguments["--output-filename"] ?? "cilium-sysdump") + ".zip")
        call.say("🔍 Collecting Kubernetes nodes")
        try LabFiles.write("the stand-in cilium of the Meshgate Lab\n", to: path)
        call.say("✅ The sysdump has been saved to \(path)")
    }

    private static func testCase(_ name: String, failures: [String]) -> (name: String, status: String, text: String) {
        let status = skipped.contains(name) ? "skipped" : failures.isEmpty ? "passed" : "failed"
        var body = ""
        if status == "skipped" { body = "\n      <skipped message=\"\(name) skipped\"></skipped>\n    " }
        if status == "failed" {
            // Repeated attributes: the real one writes them, and no strict XML parser takes them.
            let messages = failures.map { " message=\"\($0)\"" }.joined()
            body = "\n      <failure type=\"failure\"\(messages)>\(failures.joined(separator: "\n"))</failure>\n    "
        }
        return (
            name, status, "<testcase name=\"\(name)\" classname=\"connectivity test\" status=\"\(status)\" time=\"0.1\">\(body)</testcase>"
        )
    }

    private func writeReport(cases: [(name: String, status: String, text: String)]) throws {
        guard let file = arguments["--junit-file"] else { return }
        let failed = cases.filter { $0.status == "failed" }.count
        let skipped = cases.filter { $0.status == "skipped" }.count
        let counts = "tests=\"\(cases.count)\" errors=\"0\" failures=\"\(failed)\""
        let report = """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites \(counts) time="0.8">
              <testsuite name="connectivity test" package="cilium" \(counts) skipped="\(skipped)" time="0.8" timestamp="\(StandInStore.now())">
                <properties>
                  <property name="Args" value="stand-in of the Meshgate Lab"></property>
                </properties>
            \(cases.map { "    " + $0.text }.joined(separator: "\n"))
              </testsuite>
            </testsuites>

            """
        try LabFiles.write(report, to: call.absolute(file))
    }
}
