// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel

/// What is to be done, in which order, behind which gates: immutable, and the same for the same spec on any machine.
package struct Plan: Hashable, Sendable, Codable {
    /// All that the digest covers.
    package struct Body: Hashable, Sendable, Codable {
        package var spec: MeshSpec
        /// Grows when the planner itself would plan the same spec in another way.
        package var planner: Int
        package var steps: [Step]
        /// Absent where the plan builds, as all plans did once.
        package var purpose: Purpose?
        package init(spec: MeshSpec, planner: Int, steps: [Step], purpose: Purpose? = nil) {
            self.spec = spec
            self.planner = planner
            self.steps = steps
            self.purpose = purpose
        }
    }

    package let digest: Digest
    package let body: Body
    package var spec: MeshSpec { body.spec }
    package var steps: [Step] { body.steps }

    package init(body: Body, digest: Digest) {
        self.body = body
        self.digest = digest
    }

    package func step(_ id: StepID) -> Step? { steps.first { $0.id == id } }
}

/// The smallest unit of progress.
package struct Step: Hashable, Sendable, Codable {
    package var id: StepID
    package var title: String
    package var place: Subject
    package var action: Action
    /// Steps that must be done before this one is looked at.
    package var after: [StepID]
    /// What must be true before it starts.
    package var gates: [Requirement]
    /// What is true when it is done: judged before (then there is nothing to do) and after (an exit code is not evidence).
    package var done: [Requirement]
    /// What must be shown besides `done` once it was carried out, and only then: too costly for a look before. Absent for nearly all steps.
    package var proof: [Requirement]?
    /// What it would destroy, in words; empty for nearly all steps.
    package var destroys: [String]
    /// How long the action may take.
    package var deadline: TimeSpan
    /// How long after a report the world may take to show it.
    package var settling: TimeSpan

    /// Whether a person has to sign for it, whatever is seen.
    package var takesWarrant: Bool {
        gates.contains {
            switch $0 {
            case .warranted, .teardownWarranted: true
            default: false
            }
        }
    }

    /// Where Terraform works in this step. What it would take away is known only when it has planned, and only then has a person to sign.
    package var terraform: TerraformPart? {
        for case .lossesWarranted(_, let directory, let phase, let service) in gates {
            return TerraformPart(directory: directory, phase: phase, service: service)
        }
        return nil
    }

    package init(
        id: StepID, title: String, place: Subject, action: Action, after: [StepID] = [], gates: [Requirement] = [],
        done: [Requirement], proof: [Requirement]? = nil, destroys: [String] = [], deadline: TimeSpan = TimeSpan(.seconds(900)),
        settling: TimeSpan = TimeSpan(.seconds(120))
    ) {
        self.id = id
        self.title = title
        self.place = place
        self.action = action
        self.after = after
        self.gates = gates
        self.done = done
        self.proof = proof
        self.destroys = destroys
        self.deadline = deadline
        self.settling = settling
    }
}

/// How a wipe reaches its disk when no agent is there.
package enum WipeRoute: String, Hashable, Sendable, Codable, CaseIterable {
    /// Talos' own `BlockDeviceWipe`, which takes a name and knows neither warrants nor disk instances.
    case talosAPI = "talos-api"
}

/// What a step does to the world. Whoever carries it out finds everything else in the plan's spec.
package enum Action: Hashable, Sendable, Codable {
    /// The whole directory, or one phase of it.
    case provision(directory: String, phase: String? = nil)
    /// Begins etcd on one control plane, when none has any.
    case bootstrapTalos(ClusterName)
    case awaitTalos(ClusterName)
    case awaitNodes(ClusterName)
    /// Machine by machine, to what the step's end says.
    case upgradeTalos(ClusterName)
    case installGatewayAPI(ClusterName, SemanticVersion)
    case seedMeshCA(ClusterName)
    /// The rounds of a change of CAs: trust all, issue by the one, trust the one alone.
    case trustAuthorities(ClusterName)
    case reissueCertificates(ClusterName)
    case dropAuthorities(ClusterName)
    /// Nothing is done but wait until the API servers of these clusters show what they were issued.
    case awaitServers([ClusterName])
    case installCilium(ClusterName)
    /// Pools, policies and BGP.
    case applyCiliumResources(ClusterName)
    /// By the node's own wiper, or by another way.
    case wipe(NodeID, Requirement.PlannedDisk, WarrantTerms.Method, through: WipeRoute? = nil)
    case enableClustermesh(ClusterName)
    case connectClustermesh([ClusterName])
    case testConnectivity(from: ClusterName, to: ClusterName)
    case installService(String, ClusterName)
    /// The clusters' credentials, under these names.
    case storeSecrets([String])
    /// Requests across clusters that show what a service's policies allow and deny.
    case proveService(String, [ClusterName])
    /// Nothing is done: the step is the question whether its `done` is true.
    case look
    /// Undoes what another step did, when it is this mesh's own and nothing stands on it any more.
    case undo(Remnant)

    // The names of unlabelled values in JSON (SE-0295); they are part of the plan's form.
    private enum BootstrapTalosCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum AwaitTalosCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum AwaitNodesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum UpgradeTalosCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum InstallGatewayAPICodingKeys: String, CodingKey { case _0 = "cluster", _1 = "version" }
    private enum SeedMeshCACodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum TrustAuthoritiesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum ReissueCertificatesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum DropAuthoritiesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum AwaitServersCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum InstallCiliumCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum ApplyCiliumResourcesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum WipeCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk", _2 = "method", through }
    private enum EnableClustermeshCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum ConnectClustermeshCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum StoreSecretsCodingKeys: String, CodingKey { case _0 = "names" }
    private enum UndoCodingKeys: String, CodingKey { case _0 = "remnant" }
    private enum InstallServiceCodingKeys: String, CodingKey { case _0 = "service", _1 = "cluster" }
    private enum ProveServiceCodingKeys: String, CodingKey { case _0 = "service", _1 = "clusters" }

    /// The tool that carries it out.
    package var driver: String {
        switch self {
        case .provision: "terraform"
        case .bootstrapTalos, .awaitTalos, .upgradeTalos: "talosctl"
        case .awaitNodes, .installGatewayAPI, .seedMeshCA, .applyCiliumResources: "kubernetes"
        case .installCilium, .trustAuthorities, .reissueCertificates, .dropAuthorities, .enableClustermesh, .connectClustermesh,
            .testConnectivity:
            "cilium"
        case .wipe(_, _, _, let route): route == .talosAPI ? "talosctl" : "agent"
        case .installService: "helm/kubectl/ansible"
        case .storeSecrets: "doppler"
        case .proveService: "kubectl"
        case .look, .awaitServers: "look"
        case .undo(let remnant): remnant.driver
        }
    }

    /// True when carrying it out again after an interruption may do harm: then only a person decides.
    package var mustNotRepeat: Bool {
        if case .wipe = self { true } else { false }
    }

    /// True when it may go on without anybody who could be asked about it: Talos zeroes a disk to the end, whoever asked for it.
    package var goesOnUnseen: Bool {
        if case .wipe(_, _, _, .talosAPI) = self { true } else { false }
    }
}
