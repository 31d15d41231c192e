// SPDX-License-Identifier: Apache-2.0

/// Whether Terraform can be worked with in one directory: its version, what `init` said, and whether the state's lock keeps a second one out.
package struct TerraformFact: Hashable, Sendable, Codable {
    package enum StateLock: String, Hashable, Sendable, Codable, CaseIterable {
        /// A second terraform was refused while the first one held the lock, or the state is a local file, which the kernel locks.
        case holds
        /// A second terraform got in.
        case broken
        /// It could not be tried.
        case unknown
    }
    package var directory: String
    package var version: String?
    /// Why `init` failed, when it did: the lock file does not fit, the backend does not answer.
    package var problem: String?
    package var stateLock: StateLock
    /// What was seen of the lock, in words.
    package var lockWords: String?
    package init(
        directory: String, version: String? = nil, problem: String? = nil, stateLock: StateLock = .unknown, lockWords: String? = nil
    ) {
        self.directory = directory
        self.version = version
        self.problem = problem
        self.stateLock = stateLock
        self.lockWords = lockWords
    }
}

/// What `terraform plan` would still change, in one directory and one phase of it.
package struct ProvisionFact: Hashable, Sendable, Codable {
    package var directory: String
    /// Absent when the directory is provisioned in one go.
    package var phase: String?
    package var creates: Int
    package var changes: Int
    /// Replacements and objects that Terraform would only forget, too.
    package var deletes: Int
    /// What the plan would do and must not, each in a sentence; absent when there is nothing.
    package var refusals: [String]?
    /// Addresses that were changed outside of Terraform; absent when there are none.
    package var drift: [String]?
    /// Why there is no plan: then the counts say nothing.
    package var problem: String?
    /// What of `deletes` a signature would permit; absent when there is nothing.
    package var losses: TerraformLosses?
    package init(
        directory: String, phase: String? = nil, creates: Int, changes: Int, deletes: Int, refusals: [String]? = nil,
        drift: [String]? = nil, problem: String? = nil, losses: TerraformLosses? = nil
    ) {
        self.directory = directory
        self.phase = phase
        self.creates = creates
        self.changes = changes
        self.deletes = deletes
        self.refusals = refusals
        self.drift = drift
        self.problem = problem
        self.losses = losses
    }
}

/// What `terraform plan -destroy` would take away, in one directory and one phase of it: asked for by a teardown only.
package struct DestructionFact: Hashable, Sendable, Codable {
    package var directory: String
    /// Absent when the directory is provisioned in one go.
    package var phase: String?
    /// Absent when nothing is left.
    package var losses: TerraformLosses?
    /// What else the plan would do, each in a sentence; absent when there is nothing.
    package var refusals: [String]?
    /// Why there is no plan: then the absence of losses says nothing.
    package var problem: String?
    package init(
        directory: String, phase: String? = nil, losses: TerraformLosses? = nil, refusals: [String]? = nil, problem: String? = nil
    ) {
        self.directory = directory
        self.phase = phase
        self.losses = losses
        self.refusals = refusals
        self.problem = problem
    }
}

/// The exact objects that one plan of Terraform's would take away: what a person signs for, and what alone is then taken.
package struct TerraformLosses: Hashable, Sendable, Codable {
    /// Sorted, such as `delete module.east.vm[0]`; a plan of very many objects is cut here, and not in the digest.
    package var objects: [String]
    package var count: Int
    /// SHA-256 over all objects, each followed by a newline.
    package var digest: Digest

    /// More are not kept as evidence.
    package static let mostObjects = 2000

    /// - Parameter objects: all of them, in any order.
    package init?(_ objects: [String], digester: Digester) {
        guard !objects.isEmpty else { return nil }
        let sorted = objects.sorted()
        digest = digester(Array(sorted.map { $0 + "\n" }.joined().utf8))
        count = sorted.count
        self.objects = Array(sorted.prefix(Self.mostObjects))
    }

    /// In the words of a warrant.
    package var lines: [String] { objects + (count > objects.count ? ["and \(count - objects.count) more"] : []) }
}
