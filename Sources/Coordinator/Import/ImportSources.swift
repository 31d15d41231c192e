// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What other tools know of a mesh, as trees. Read for names, addresses and sizes; keys, tokens and certificates in them are never looked at.
package struct ImportSources: Sendable {
    /// `terraform show -json`, of a state or of a saved plan.
    package var terraform: HelmValue?
    package var kubeconfig: HelmValue?
    package var talosconfig: HelmValue?
    /// talhelper's `talconfig.yaml`, one for each cluster.
    package var talhelper: [HelmValue]
    /// talm's node files: name and text, of which the modeline is read, and the machine's name and type.
    package var talm: [(name: String, text: String, tree: HelmValue?)]
    /// The documents of an Omni cluster template.
    package var omni: [HelmValue]

    package init(
        terraform: HelmValue? = nil, kubeconfig: HelmValue? = nil, talosconfig: HelmValue? = nil, talhelper: [HelmValue] = [],
        talm: [(name: String, text: String, tree: HelmValue?)] = [], omni: [HelmValue] = []
    ) {
        self.terraform = terraform
        self.kubeconfig = kubeconfig
        self.talosconfig = talosconfig
        self.talhelper = talhelper
        self.talm = talm
        self.omni = omni
    }
}

/// A mesh that was put together from what other tools know, and what has to be said about it.
package struct Proposal: Sendable {
    package struct Note: Hashable, Sendable {
        package enum Kind: String, Hashable, Sendable {
            /// Nobody said it; what stands there is a placeholder that reads, and is wrong.
            case unknown = "UNKNOWN"
            /// Follows from something else, and may be wrong.
            case guessed = "GUESSED"
        }
        package let kind: Kind
        /// Where it stands: `spec.clusters[0].nodes[2].address`.
        package let path: String
        package let text: String
    }

    package let spec: MeshSpec
    package let notes: [Note]
    /// What was found, and what was left out, in sentences.
    package let summary: [String]
}

/// Why nothing can be proposed.
package enum ImportError: Error, Hashable, Sendable, CustomStringConvertible {
    case nothing
    case tooMuch(String)

    package var description: String {
        switch self {
        case .nothing:
            "nothing in it is known: no proxmox_virtual_environment_vm, no Talos cluster, no context; was it made with `terraform show -json`?"
        case .tooMuch(let what): "\(what); that is more than one mesh has"
        }
    }
}
