// SPDX-License-Identifier: Apache-2.0

/// One service that Meshgate knows by its name: where it comes from, what it needs of nodes and clusters, how to tell that it works, and in
/// which order it goes away again. Data only; drivers and gates read it.
package struct CatalogueService: Hashable, Sendable {
    /// Where the service comes from unless mesh.yaml says otherwise.
    package enum Origin: Hashable, Sendable {
        /// A chart; without a `version` mesh.yaml has to name one, because no release is known here to be right.
        case chart(repository: String, name: String, version: String?)
        /// Meshgate itself brings it.
        case builtIn
        /// Only mesh.yaml can say it; the text tells where the manifest is published.
        case manifest(published: String)
    }
    /// A property of every node of the cluster, or of the cluster itself, without which the service would be installed and not work.
    package enum Need: Hashable, Sendable {
        /// BTF, tracefs and a lockdown mode that lets BPF read kernel memory.
        case kernelTracing
        /// A module that is built in, loaded, or there to be loaded.
        case kernelModule(String)
        /// The kubelets' serving certificates are issued.
        case servingCertificates
    }
    /// A workload that makes up the service. The first of a service is its landmark: whoever owns that owns the service.
    package struct Workload: Hashable, Sendable {
        package enum Kind: String, Hashable, Sendable, CaseIterable { case deployments, daemonsets, statefulsets }
        package var kind: Kind
        package var name: String
        package init(_ kind: Kind, _ name: String) {
            self.kind = kind
            self.name = name
        }
    }
    /// The question whose answer shows that the service does its work, and not only that its pods run.
    package enum Probe: Hashable, Sendable {
        /// GET through the API server's proxy to a Service is answered with success by a text that holds `expects`.
        case http(service: String, port: Int, path: String, expects: String)
        /// `metrics.k8s.io` is Available and has figures of every node.
        case nodeMetrics
        /// An aggregated API is Available.
        case apiService(String)
        /// Every object of the collection has the condition, and at least `atLeast` are there.
        case conditions([Condition])
        /// The CephCluster is Ready, its health no error.
        case ceph
        /// The policies of the demo allow and deny what they should, across clusters.
        case policyProof
    }
    /// A condition that each object of a collection must have with status True.
    package struct Condition: Hashable, Sendable {
        /// `/apis/GROUP/VERSION/PLURAL`.
        package var collection: String
        package var type: String
        package var atLeast: Int
        package init(_ collection: String, type: String, atLeast: Int) {
            self.collection = collection
            self.type = type
            self.atLeast = atLeast
        }
    }

    package let name: String
    /// What it is for, in a few words.
    package let purpose: String
    package let origin: Origin
    /// Chart versions for which the names below were read in the chart; outside of it they may have changed.
    package let known: Range<SemanticVersion>?
    /// Helm's release name.
    package let release: String
    package let namespace: String
    /// The Pod Security level that its namespace must allow; absent where the namespace is the system's own or the default level is enough.
    package let podSecurity: PodSecurity?
    package let needs: [Need]
    package let workloads: [Workload]
    package let probe: Probe?
    /// Values that make it fit a mesh; what mesh.yaml says is merged over them.
    package let values: [String: HelmValue]
    /// Collections of custom resources that must be gone before their controller goes, in this order.
    package let removedFirst: [String]
    /// True when removing it loses data that nothing else has.
    package let holdsData: Bool
    /// True when it is made to send something out of its cluster.
    package let sendsOut: Bool

    package init(
        _ name: String, _ purpose: String, _ origin: Origin, known: Range<SemanticVersion>? = nil, release: String? = nil,
        namespace: String, podSecurity: PodSecurity? = nil, needs: [Need] = [], workloads: [Workload], probe: Probe? = nil,
        values: [String: HelmValue] = [:], removedFirst: [String] = [], holdsData: Bool = false,
        sendsOut: Bool = false
    ) {
        self.name = name
        self.purpose = purpose
        self.origin = origin
        self.known = known
        self.release = release ?? name
        self.namespace = namespace
        self.podSecurity = podSecurity
        self.needs = needs
        self.workloads = workloads
        self.probe = probe
        self.values = values
        self.removedFirst = removedFirst
        self.holdsData = holdsData
        self.sendsOut = sendsOut
    }

    /// What mesh.yaml need not say; `nil` where only the admin can.
    package var source: MeshSpec.Service.Source? {
        switch origin {
        case .chart(let repository, let name, let version?): .chart(repository: repository, name: name, version: version)
        case .builtIn: .builtIn
        case .chart, .manifest: nil
        }
    }
}

/// The levels of Kubernetes' Pod Security Standards, the strictest first.
package enum PodSecurity: String, Hashable, Sendable, Codable, CaseIterable {
    case restricted, baseline, privileged

    /// Whether a namespace whose enforced level is `enforced` admits what needs this level. No label at all is whatever the API server's
    /// configuration says, which nobody can read: it counts as unknown, and so as no.
    package func isAllowed(by enforced: String?) -> Bool {
        guard let enforced = enforced.flatMap(PodSecurity.init), let have = Self.allCases.firstIndex(of: enforced),
            let want = Self.allCases.firstIndex(of: self)
        else { return false }
        return have >= want
    }
}
