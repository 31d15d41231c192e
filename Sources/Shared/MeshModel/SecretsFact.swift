// SPDX-License-Identifier: Apache-2.0

/// What a store of secrets holds of this mesh's, by name. No value is in it, and no digest of one.
package struct SecretsFact: Hashable, Sendable, Codable {
    /// The store in words, such as `Doppler homelab/dev`.
    package var store: String
    /// Planned names that are there.
    package var present: [String]
    /// Planned names whose value is missing, or is another one than the coordinator works with; absent where nobody compared.
    package var differing: [String]?
    /// Names that are there and are not shown to this kind of token.
    package var restricted: [String]
    package init(store: String, present: [String], differing: [String]? = nil, restricted: [String] = []) {
        self.store = store
        self.present = present
        self.differing = differing
        self.restricted = restricted
    }
}

/// Which contexts of the coordinator's kubeconfig and talosconfig lead to the plan's clusters.
package struct ContextsFact: Hashable, Sendable, Codable {
    /// What is in the talosconfig.
    package struct Talosconfig: Hashable, Sendable, Codable {
        package var file: String
        /// Clusters whose context is there and is theirs by name and CA.
        package var present: [ClusterName]
        package init(file: String, present: [ClusterName]) {
            self.file = file
            self.present = present
        }
    }
    /// The kubeconfig.
    package var file: String
    /// Clusters whose context is there and is theirs by name, server and CA.
    package var present: [ClusterName]
    /// Contexts of a planned name that lead elsewhere, or of which nobody knows where they lead: each with the reason.
    package var foreign: [String]
    /// Absent where there is none.
    package var talosconfig: Talosconfig?
    package init(file: String, present: [ClusterName], foreign: [String] = [], talosconfig: Talosconfig? = nil) {
        self.file = file
        self.present = present
        self.foreign = foreign
        self.talosconfig = talosconfig
    }
}
