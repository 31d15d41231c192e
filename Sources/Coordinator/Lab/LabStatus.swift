// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel
internal import MeshSystem

/// What is up of a lab, for `meshgate lab status`. Looks only; says the same while a lab is half built or half gone.
package struct LabStatus: Hashable, Sendable, Codable {
    package struct Node: Hashable, Sendable, Codable {
        package var name: String
        package var cluster: String
        package var address: String
        package var management: String
        package var namespace: String
        /// Its first process lives.
        package var up: Bool
        package var agent: Bool
        /// Absent for nodes without a disk.
        package var disk: String?
    }

    package struct Program: Hashable, Sendable, Codable {
        package var name: String
        package var pid: Int32?
        package var log: String
    }

    package var directory: String
    package var nodes: [Node]
    package var programs: [Program]
    package var namespaces: [String]
    package var links: [String]

    /// `nil` when no lab is up under the prefix.
    package init?(prefix: String) throws {
        guard let ledger = LabLedger.current(prefix) else { return nil }
        let paths = LabPaths(ledger.directory)
        let processes = LabProcesses(paths: paths, marker: ledger.marker)
        directory = ledger.directory
        programs = processes.names.map { Program(name: $0, pid: processes.find($0)?.pid, log: paths.log($0)) }
        namespaces = ledger.namespaces.filter { LabFiles.exists("/run/netns/\($0)") }
        links = ledger.links.filter { LabFiles.exists("/sys/class/net/\($0)") }
        let loops = LabLoop.all(below: paths.disks)
        // Killed very early, a lab has no plan yet.
        nodes =
            !LabFiles.exists(paths.plan)
            ? []
            : try LabTopology(try LabPlan.load(paths)).nodes.map { node in
                Node(
                    name: node.name.text, cluster: node.cluster.text, address: node.address.description,
                    management: node.management.description,
                    namespace: node.namespace, up: processes.find(LabProcesses.initName(node)) != nil,
                    agent: processes.find("agent-\(node.name)") != nil,
                    disk: node.disk.flatMap { disk in loops.first { $0.image == paths.image(disk) }?.path })
            }
    }

    /// A table for people.
    package var text: String {
        let head = ["NODE", "CLUSTER", "ADDRESS", "MANAGEMENT", "NAMESPACE", "NODE UP", "AGENT", "DISK"]
        let rows =
            [head]
            + nodes.map {
                [
                    $0.name, $0.cluster, $0.address, $0.management, $0.namespace, $0.up ? "yes" : "no", $0.agent ? "yes" : "no",
                    $0.disk ?? "-",
                ]
            }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let table = rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }.joined().trimmed
        }
        let dead = programs.filter { $0.pid == nil }.map { "\($0.name) has ended; see \($0.log)" }
        return (["lab in \(directory)"] + table + dead).joined(separator: "\n") + "\n"
    }

    /// One JSON object.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
}

extension String {
    /// Without blanks at the end.
    fileprivate var trimmed: String { String(reversed().drop { $0 == " " }.reversed()) }
}
