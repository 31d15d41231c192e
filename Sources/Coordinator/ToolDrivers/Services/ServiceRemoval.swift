// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Everything that goes when a service is removed, in the order in which it goes, and why it may not go at all.
package struct ServiceRemoval: Hashable, Sendable {
    /// One object, by the identity that is compared again when it is deleted.
    package struct Item: Hashable, Sendable, CustomStringConvertible {
        /// Why it goes, and so when.
        package enum Part: Int, Hashable, Sendable, CaseIterable, Comparable {
            /// A custom resource, which its controller has to take apart while there is still a controller.
            case resource
            /// What the release or the manifest made.
            case object
            /// A definition; everything of its kind goes with it, so that it is the last but the namespace.
            case definition
            case namespace
            /// Our own record of the service.
            case mark
            package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
        }
        package var part: Part
        /// The path of the object in the API.
        package var path: String
        package var kind: String
        package var namespace: String?
        package var name: String
        package var uid: String
        package var description: String { "\(kind) \(namespace.map { $0 + "/" } ?? "")\(name) (uid \(uid))" }
        package init(part: Part, path: String, kind: String, namespace: String?, name: String, uid: String) {
            self.part = part
            self.path = path
            self.kind = kind
            self.namespace = namespace
            self.name = name
            self.uid = uid
        }
    }
    package var service: String
    package var cluster: ClusterName
    /// Helm's NAMESPACE/NAME, when Helm removes it.
    package var release: String?
    package var items: [Item]
    /// Each one alone stops the removal.
    package var refusals: [String]
    /// What stays, and why.
    package var remains: [String]
    /// True when there is nothing at all: removing is done.
    package var isEmpty: Bool { items.isEmpty && release == nil }
    package init(
        service: String, cluster: ClusterName, release: String? = nil, items: [Item] = [], refusals: [String] = [], remains: [String] = []
    ) {
        self.service = service
        self.cluster = cluster
        self.release = release
        self.items = items
        self.refusals = refusals
        self.remains = remains
    }

    /// A person's consent to lose what a service stores.
    package enum Consent: Hashable, Sendable {
        case none
        /// The warrant that was signed for it.
        case dataLoss(WarrantID)
    }
}
