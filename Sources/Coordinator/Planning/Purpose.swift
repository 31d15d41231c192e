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

    /// Nothing is carried out: each step is a question.
    package var onlyLooks: Bool {
        switch self {
        case .build: false
        case .verify, .drift: true
        }
    }

    /// One word for people and machines.
    package var word: String {
        switch self {
        case .build: "build"
        case .verify: "verify"
        case .drift: "drift"
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
        case .verify(let build), .drift(let build): build
        }
    }
}
