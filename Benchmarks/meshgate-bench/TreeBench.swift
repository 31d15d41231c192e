// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Linting
import MeshConfig
import TreeLinting

/// The lint of a tree of a given length: Terraform modules, scripts, playbooks and a runbook, with a defect here and there. Reading files is left out.
struct TreeBench {
    let lines: Int
    private static let rounds = 5

    /// Writes the tree, for a peer to read the same.
    func write(to directory: String) throws {
        for file in files {
            let path = "\(directory)/\(file.path)"
            try FileManager.default.createDirectory(
                atPath: String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), withIntermediateDirectories: true)
            try file.text.write(toFile: path, atomically: false, encoding: .utf8)
        }
    }

    func run(peer: String) throws {
        let tree = SourceTree(files: files)
        let load = Machine.load
        var times: [Double] = []
        var found = 0
        var peak = 0.0
        for round in 0..<Self.rounds {
            let (findings, time) = Machine.timed { lint(tree, yaml: readTreeYAML) }
            guard !findings.isEmpty, !findings.contains(where: { $0.rule == "L-READ-1" }) else {
                throw BenchError.failed("the tree is misread")
            }
            times.append(time * 1000)
            found = findings.count
            if round == 0 { peak = Machine.memory("VmHWM") }
        }
        let samples = Samples(times)
        let bytes = tree.files.reduce(0) { $0 + $1.text.utf8.count }
        let count = tree.files.reduce(0) { $0 + $1.text.utf8.count { $0 == 10 } }
        Machine.row(
            (Double(count)).text(0), "\(tree.files.count)", (Double(bytes) / 1000).text(0), "\(found)", samples.median.text(1),
            samples.range(0),
            peer, (peak / 1000).text(0), load)
    }

    private var files: [SourceTree.File] {
        var files: [SourceTree.File] = []
        var count = 0
        var number = 0
        while count < lines {
            number += 1
            let added = cluster(number)
            files += added
            count += added.reduce(0) { $0 + $1.text.utf8.count { $0 == 10 } }
        }
        return files
    }

    private func cluster(_ number: Int) -> [SourceTree.File] {
        let secrets = (0..<8).map { index in
            """
            resource "doppler_secret" "secret_\(index)" {
              depends_on = [module.cluster.kubeconfig,
              doppler_secret.secret_\(max(0, index - 1))]
              project = "mesh"
              config  = "dev"
              name    = "SECRET_\(index)"
              value   = yamldecode(module.cluster.kubeconfig)["users"][0]["user"]["client-key-data"]
            }

            """
        }.joined(separator: "\n")
        let terraform = """
            terraform {
              required_providers {
                doppler = { source = "dopplerhq/doppler", version = "1.20.0" }
              }
            }

            module "cluster" {
              source = "./cluster"
              patches = [<<EOT
            machine:
              install:
                disk: /dev/vda
              time:
                servers:
                  - time.cloudflare.com
            cluster:
              network:
                podSubnets:
                  - 10.\(number % 200).0.0/16
            EOT
              ]
            }

            \(secrets)
            """
        let options = (0..<12).map { "  --set cluster.option\($0)=\"${CLUSTER_NAME}\" \\" }.joined(separator: "\n")
        let script = """
            #!/bin/bash
            set -euo pipefail
            while [[ $# -gt 0 ]]; do
              case $1 in
                -n|--name)
                  CLUSTER_NAME="$2"
                  shift 2
                  ;;
                *) exit 64 ;;
              esac
            done

            cilium install --version 1.18.5 --context "admin@${CLUSTER_NAME}" \\
            \(options)
              --set cluster.id=\(number)
            for node in $(kubectl --context "admin@${CLUSTER_NAME}" get nodes -o name); do
              echo "$node"
            done

            """
        let playbook = """
            - name: services
              hosts: localhost
              tasks:
                - name: chart
                  kubernetes.core.helm:
                    name: robusta
                    chart_ref: robusta/robusta
                    chart_version: 0.28.1
                    context: admin@c-\(number)
                    values:
                      clusterName: c-\(number)

            """
        let page = """
            # Cluster \(number)

            1. [up.sh](up.sh) installs Cilium.
            2. `kubectl --context admin@c-\(number) get nodes` shows the nodes.

            ```bash
            $ cilium status --context admin@c-\(number) --wait
            ```

            """
        let directory = "clusters/c-\(number)"
        return [("main.tf", terraform), ("up.sh", script), ("services.yaml", playbook), ("README.md", page)].map {
            SourceTree.File(path: "\(directory)/\($0.0)", text: $0.1)
        }
    }
}
