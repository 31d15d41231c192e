// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-ROOK-1
func rookCharts(_ spec: MeshSpec) -> [Finding] {
    spec.eachService { service, path in
        guard case .chart(_, let name, let version) = service.source, name.hasPrefix("rook-ceph") else { return [] }
        var findings: [Finding] = []
        if SemanticVersion(version) == nil {
            findings.append(
                .error(
                    "L-ROOK-1", "\(path).chart.version",
                    "chart \(name) has the version \"\(version)\", which is not one release; Rook would move by itself"))
        }
        if name == "rook-ceph-cluster" {
            findings.append(
                .error(
                    "L-ROOK-1", "\(path).chart.name", "Rook would take every empty disk on every node: that is this chart's default",
                    fix: "a manifest with a CephCluster that lists the planned disks"))
        }
        return findings
    }
}

/// L-ROOK-2
func rookNodes(_ spec: MeshSpec) -> [Finding] {
    let storage = Dictionary(
        spec.clusters.map { ($0.name, $0.nodes.count { node in node.disks.contains { $0.use == .rookCeph } }) },
        uniquingKeysWith: { first, _ in first })
    return spec.eachService { service, path in
        guard case .chart(_, let name, _) = service.source, name == "rook-ceph" else { return [] }
        let short = service.clusters.filter { storage[$0].map { $0 < 3 } ?? false }
        guard !short.isEmpty else { return [] }
        let counts = short.prefix(5).map { "\(storage[$0] ?? 0) in \"\($0)\"" }.joined(separator: ", ")
        let more = short.count > 5 ? " and \(short.count - 5) clusters more" : ""
        return [.warning("L-ROOK-2", "\(path).clusters", "Ceph wants three nodes with disks for it; there are \(counts)\(more)")]
    }
}

/// L-PIN-1; what has a digest cannot change, whatever its address says.
func pinnedSources(_ spec: MeshSpec) -> [Finding] {
    spec.eachService { service, path in
        switch service.source {
        case .chart(let repository, let name, let version):
            guard SemanticVersion(version) == nil, !name.hasPrefix("rook-ceph"), service.sha256 == nil else { return [] }
            return [moving("\(repository) \(name) \(version)", "\(path).chart.version")]
        case .manifest(let address), .playbook(let address):
            let parts = address.split { "/:@?=&".contains($0) }
            guard address.contains("://"), parts.contains(where: { ["main", "master", "latest", "HEAD"].contains($0) }),
                service.sha256 == nil
            else { return [] }
            let key = if case .manifest = service.source { "manifest" } else { "playbook" }
            return [moving(address, "\(path).\(key)")]
        case .terraform, .builtIn: return []
        }
    }
}

private func moving(_ address: String, _ path: String) -> Finding {
    .warning("L-PIN-1", path, "\"\(address)\" can change under you; pin and record sha256")
}

/// L-CSI-1
func digitalOceanDriver(_ spec: MeshSpec) -> [Finding] {
    spec.eachService { service, path in
        guard let refusal = service.refusal else { return [] }
        let key =
            switch service.source {
            case .chart: ".chart.name"
            case .manifest: ".manifest"
            case .playbook: ".playbook"
            case .terraform: ".terraform.phase"
            case .builtIn: ""
            }
        return [.error("L-CSI-1", path + key, refusal)]
    }
}

/// L-SVC-1
func knownCharts(_ spec: MeshSpec) -> [Finding] {
    spec.eachService { service, path in
        guard let known = service.known, let range = known.known, case .chart(_, let chart, let version) = service.source,
            case .chart(_, chart, _) = known.origin, let release = SemanticVersion(version), !range.contains(release)
        else { return [] }
        return [
            .warning(
                "L-SVC-1", "\(path).chart.version",
                "the names that tell whether \(service.name) works are known for \(chart) from \(range.lowerBound) to below "
                    + "\(range.upperBound); with \(release) they may have changed")
        ]
    }
}

extension MeshSpec {
    fileprivate func eachService(_ judge: (Service, _ path: String) -> [Finding]) -> [Finding] {
        services.indices.flatMap { judge(services[$0], "spec.services[\($0)]") }
    }
}
