// SPDX-License-Identifier: Apache-2.0

/// As JSON a fact is an object with one key, its kind: `{"disk": {...}}`.
extension Fact {
    private enum Kind: String, CodingKey, CaseIterable {
        case host, disk, wiper, blankness, wipe, virtualDisk, link, route, reach, path, handshake, vlan, outside, clock, kernel, cluster,
            terraform,
            provision, destruction, secrets, contexts, connectivity, talos, hypervisor, hypervisorFiles, telemetry, unavailable
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Kind.self)
        guard let kind = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath, debugDescription: "a fact has exactly one of the keys \(Kind.allCases.map(\.rawValue))")
            )
        }
        switch kind {
        case .host: self = .host(try container.decode(HostFact.self, forKey: kind))
        case .disk: self = .disk(try container.decode(DiskFact.self, forKey: kind))
        case .wiper: self = .wiper(try container.decode(WiperFact.self, forKey: kind))
        case .blankness: self = .blankness(try container.decode(BlanknessFact.self, forKey: kind))
        case .wipe: self = .wipe(try container.decode(WipeReport.self, forKey: kind))
        case .virtualDisk: self = .virtualDisk(try container.decode(VirtualDiskFact.self, forKey: kind))
        case .link: self = .link(try container.decode(LinkFact.self, forKey: kind))
        case .route: self = .route(try container.decode(RouteFact.self, forKey: kind))
        case .reach: self = .reach(try container.decode(ReachFact.self, forKey: kind))
        case .path: self = .path(try container.decode(PathFact.self, forKey: kind))
        case .handshake: self = .handshake(try container.decode(HandshakeFact.self, forKey: kind))
        case .vlan: self = .vlan(try container.decode(VLANFact.self, forKey: kind))
        case .outside: self = .outside(try container.decode(OutsideFact.self, forKey: kind))
        case .clock: self = .clock(try container.decode(ClockFact.self, forKey: kind))
        case .kernel: self = .kernel(try container.decode(KernelFact.self, forKey: kind))
        case .cluster: self = .cluster(try container.decode(ClusterFact.self, forKey: kind))
        case .terraform: self = .terraform(try container.decode(TerraformFact.self, forKey: kind))
        case .provision: self = .provision(try container.decode(ProvisionFact.self, forKey: kind))
        case .destruction: self = .destruction(try container.decode(DestructionFact.self, forKey: kind))
        case .secrets: self = .secrets(try container.decode(SecretsFact.self, forKey: kind))
        case .contexts: self = .contexts(try container.decode(ContextsFact.self, forKey: kind))
        case .connectivity: self = .connectivity(try container.decode(ConnectivityFact.self, forKey: kind))
        case .talos: self = .talos(try container.decode(TalosFact.self, forKey: kind))
        case .hypervisor: self = .hypervisor(try container.decode(HypervisorFact.self, forKey: kind))
        case .hypervisorFiles: self = .hypervisorFiles(try container.decode(HypervisorFact.self, forKey: kind))
        case .telemetry: self = .telemetry(try container.decode(TelemetryFact.self, forKey: kind))
        case .unavailable: self = .unavailable(try container.decode(String.self, forKey: kind))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Kind.self)
        switch self {
        case .host(let fact): try container.encode(fact, forKey: .host)
        case .disk(let fact): try container.encode(fact, forKey: .disk)
        case .wiper(let fact): try container.encode(fact, forKey: .wiper)
        case .blankness(let fact): try container.encode(fact, forKey: .blankness)
        case .wipe(let report): try container.encode(report, forKey: .wipe)
        case .virtualDisk(let fact): try container.encode(fact, forKey: .virtualDisk)
        case .link(let fact): try container.encode(fact, forKey: .link)
        case .route(let fact): try container.encode(fact, forKey: .route)
        case .reach(let fact): try container.encode(fact, forKey: .reach)
        case .path(let fact): try container.encode(fact, forKey: .path)
        case .handshake(let fact): try container.encode(fact, forKey: .handshake)
        case .vlan(let fact): try container.encode(fact, forKey: .vlan)
        case .outside(let fact): try container.encode(fact, forKey: .outside)
        case .clock(let fact): try container.encode(fact, forKey: .clock)
        case .kernel(let fact): try container.encode(fact, forKey: .kernel)
        case .cluster(let fact): try container.encode(fact, forKey: .cluster)
        case .terraform(let fact): try container.encode(fact, forKey: .terraform)
        case .provision(let fact): try container.encode(fact, forKey: .provision)
        case .destruction(let fact): try container.encode(fact, forKey: .destruction)
        case .secrets(let fact): try container.encode(fact, forKey: .secrets)
        case .contexts(let fact): try container.encode(fact, forKey: .contexts)
        case .connectivity(let fact): try container.encode(fact, forKey: .connectivity)
        case .talos(let fact): try container.encode(fact, forKey: .talos)
        case .hypervisor(let fact): try container.encode(fact, forKey: .hypervisor)
        case .hypervisorFiles(let fact): try container.encode(fact, forKey: .hypervisorFiles)
        case .telemetry(let fact): try container.encode(fact, forKey: .telemetry)
        case .unavailable(let words): try container.encode(words, forKey: .unavailable)
        }
    }
}
