// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What a plan is for. The same spec is built, looked over and taken down by plans of different steps.
package enum Purpose: Hashable, Sendable, Codable {
    /// Bring the world to the spec.
    case build
    /// Look at everything that a build leaves, and change nothing. `of` is the digest of the build's own plan: reports that a build kept are
    /// kept under it.
    case verify(of: Digest)
    /// Look only at what is configured, and whether it is still what the spec says.
    case drift(of: Digest)
    /// Undo what a build did, in the opposite order.
    case teardown(Scope, of: Digest)

    /// How much of it.
    package enum Scope: Hashable, Sendable, Codable {
        case mesh
        /// The mesh, and after it the machines that Terraform made for it.
        case everything
        /// The machines alone; whatever runs on them goes with them, unseen.
        case machines
        /// One cluster leaves; the others stay connected with each other.
        case cluster(ClusterName)
        /// A worker leaves its cluster, to be replaced: its pods move, and it is taken out of Kubernetes. The machine stays.
        case node(NodeID)
        /// One step of the build, and whatever stands on it.
        case step(StepID)

        private enum ClusterCodingKeys: String, CodingKey { case _0 = "name" }
        private enum NodeCodingKeys: String, CodingKey { case _0 = "name" }
        private enum StepCodingKeys: String, CodingKey { case _0 = "id" }
    }

    private enum TeardownCodingKeys: String, CodingKey { case _0 = "scope", of }

    /// Nothing is carried out: each step is a question.
    package var onlyLooks: Bool {
        switch self {
        case .build, .teardown: false
        case .verify, .drift: true
        }
    }

    /// One word for people and machines.
    package var word: String {
        switch self {
        case .build: "build"
        case .verify: "verify"
        case .drift: "drift"
        case .teardown: "teardown"
        }
    }
}

extension Plan {
    /// What it is for; plans from before there was a choice build.
    package var purpose: Purpose { body.purpose ?? .build }

    /// The digest of the plan that builds this spec.
    package var buildDigest: Digest {
        switch purpose {
        case .build: digest
        case .verify(let build), .drift(let build), .teardown(_, let build): build
        }
    }
}
