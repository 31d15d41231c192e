// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-CAP-2, memory and cores: a twentieth of the memory stays for the host, and six virtual cores share a real one at most.
func hypervisorLoads(_ spec: MeshSpec) -> [Finding] {
    var memory: [NodeID: UInt64] = [:]
    var cores: [NodeID: Int] = [:]
    for (_, node) in spec.members {
        guard let host = node.hypervisor else { continue }
        let (sum, overflow) = memory[host, default: 0].addingReportingOverflow(node.memory?.bytes ?? 0)
        memory[host] = overflow ? .max : sum
        cores[host, default: 0] += node.cores ?? 0
    }
    return spec.hypervisors.enumerated().flatMap { index, host -> [Finding] in
        guard let capacity = host.capacity else { return [] }
        let path = "spec.hypervisors[\(index)].capacity"
        let (wanted, virtual) = (memory[host.name] ?? 0, cores[host.name] ?? 0)
        var findings: [Finding] = []
        if wanted > capacity.memory.bytes - capacity.memory.bytes / 20 {
            let most = ByteCount(bytes: capacity.memory.bytes - capacity.memory.bytes / 20)
            findings.append(
                .error(
                    "L-CAP-2", "\(path).memory",
                    "nodes on \"\(host.name)\" want \(inGibibytes(wanted)) of memory; \(inGibibytes(most.bytes)) of \(capacity.memory) are there for them"
                ))
        }
        if virtual > capacity.cores * 6 {
            findings.append(
                .warning(
                    "L-CAP-2", "\(path).cores",
                    "nodes on \"\(host.name)\" want \(virtual) cores of \(capacity.cores), more than six for one"))
        }
        return findings
    }
}

private func inGibibytes(_ bytes: UInt64) -> String {
    let tenths = bytes / (1 << 30) * 10 + bytes % (1 << 30) * 10 / (1 << 30)
    return tenths % 10 == 0 ? "\(tenths / 10)GiB" : "\(tenths / 10).\(tenths % 10)GiB"
}

/// L-CAP-2, spread: with one hypervisor alone there is no choice, so it is only told.
func controlPlanesSpread(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        let planes = cluster.nodes.filter { $0.role == .controlPlane }
        let hosts = Set(planes.map(\.hypervisor))
        guard planes.count > 1, hosts.count == 1, let host = hosts.first.flatMap({ $0 }) else { return [] }
        return [
            Finding(
                rule: "L-CAP-2", severity: spec.hypervisors.count > 1 ? .warning : .info, path: "\(path).nodes",
                message: "all control planes of \"\(cluster.name)\" are on \"\(host)\"; losing it loses the cluster", fix: nil)
        ]
    }
}
