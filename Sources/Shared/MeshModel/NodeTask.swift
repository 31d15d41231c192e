// SPDX-License-Identifier: Apache-2.0

/// One typed order for one node. There is no order that runs a command, and there will not be one.
package struct NodeTask: Hashable, Sendable, Codable {
    package enum Order: Hashable, Sendable, Codable {
        case probe(Probe)
        case wipe(WarrantEnvelope)
        /// Begin a new record of spent warrants, as `ArmingTerms` that a person signed permit it.
        case arm(WarrantEnvelope)
        /// Answer the datagrams of other nodes' probes for a moment.
        case listen(EchoWindow)
        /// The same for frames with a VLAN's tag.
        case listenFrames(FrameWindow)
    }

    /// A read-only question to a host.
    package enum Probe: Hashable, Sendable, Codable {
        case host
        case disks
        case links
        case reach([ReachTarget], attempts: Int, timeout: TimeSpan)
        /// How datagrams fare on the way to other nodes. `tokens`: what makes each of them answer.
        case paths([PathTarget], tokens: [NodeID: Digest])
        /// Which certificates servers show by TLS. `anchors`: authorities that they may lead to, each in PEM.
        case handshakes([HandshakeTarget], anchors: [String])
        /// How tagged frames fare. `tokens`: what makes the nodes among the targets answer.
        case vlans([VLANTarget], tokens: [VLANTarget: Digest])
        /// Whether what the host needs from outside answers.
        case outside([OutsideTarget])
        case clock(asked: Timestamp)
        case kernel
        /// Read where the seed says, once the wipe is over: whoever only pretended could not know these places.
        case blankness([BlanknessCheck], seed: Digest)
        /// The disks of a hypervisor's guests; only those with one of these serials are looked into.
        case virtualDisks(serials: [String])
        /// What a hypervisor's own files say of it, and of the guests that are selected.
        case hypervisorFiles(GuestSelector)

        package var kind: ProbeKind {
            switch self {
            case .host: .host
            case .disks: .disks
            case .links: .links
            case .reach: .reach
            case .paths: .paths
            case .handshakes: .handshakes
            case .vlans: .vlans
            case .outside: .outside
            case .clock: .clock
            case .kernel: .kernel
            case .blankness: .blankness
            case .virtualDisks: .virtualDisks
            case .hypervisorFiles: .hypervisorFiles
            }
        }
    }

    package var id: TaskID
    package var node: NodeID
    /// The acting coordinator's fencing number; an agent never obeys a lower one again.
    package var epoch: Generation
    /// Wall time after which the agent refuses to begin.
    package var deadline: Timestamp
    package var order: Order

    package init(id: TaskID, node: NodeID, epoch: Generation, deadline: Timestamp, order: Order) {
        self.id = id
        self.node = node
        self.epoch = epoch
        self.deadline = deadline
        self.order = order
    }
}

/// What an agent says about one task. A refusal is an answer, not an error.
package struct TaskReport: Hashable, Sendable, Codable {
    package enum Result: Hashable, Sendable, Codable {
        /// The probe's facts.
        case facts([Fact])
        case refused(TaskRefusal)
        case wiped(WipeReport)
        /// The order began and did not end well; the text says what happened.
        case failed(String)
    }
    package var task: TaskID
    package var node: NodeID
    package var bootID: BootID
    /// Grows by one with each report of this installation of the agent; the acknowledgement names it.
    package var sequence: UInt64
    /// How old the facts were when the report was sent.
    package var age: TimeSpan
    package var probe: ProbeKind?
    package var result: Result

    package init(
        task: TaskID, node: NodeID, bootID: BootID, sequence: UInt64, age: TimeSpan, probe: ProbeKind?, result: Result
    ) {
        self.task = task
        self.node = node
        self.bootID = bootID
        self.sequence = sequence
        self.age = age
        self.probe = probe
        self.result = result
    }
}

/// Why an agent did not do what it was told.
package struct TaskRefusal: Hashable, Sendable, Codable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable, Codable, CaseIterable {
        // admission
        case wrongNode, oldEpoch, deadlinePassed, duplicate, unsupported, overloaded
        // warrant
        case warrantMissing, warrantMalformed, warrantSignature, warrantExpired, warrantNotYetValid, warrantOtherNode, warrantReused
        // a warrant that was spent before, and what came of it
        case warrantDone, warrantFailed, warrantInterrupted
        case disarmed, signersMissing, clockUnsure
        // disk
        case noSuchDisk, ambiguousDisk, notWholeDisk, readOnly, identityMismatch, inUse, fingerprintMismatch, foreignContent, busy
        case locked
        case onlyDisk, tooLarge, contentsMismatch
        // host
        case storeMismatch, storeFull, tooPrivileged, stopping
    }
    package var code: Code
    package var detail: String
    package init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
    package var description: String { "\(code.rawValue): \(detail)" }
}

/// The account of one wipe; counts, never promises beyond NIST SP 800-88 "Clear".
package struct WipeReport: Hashable, Sendable, Codable {
    package enum Ending: String, Hashable, Sendable, Codable {
        /// Every area was written, read back and found zero.
        case cleared
        case failed
        /// Stopped in the middle; never resumed by itself.
        case interrupted
    }
    package struct Area: Hashable, Sendable, Codable {
        package var offset: UInt64
        package var length: UInt64
        package init(offset: UInt64, length: UInt64) {
            self.offset = offset
            self.length = length
        }
    }
    package var warrant: WarrantID
    package var disk: DiskIdentity
    package var method: WarrantTerms.Method
    package var ending: Ending
    package var signaturesBefore: [DiskFact.Signature]
    package var bytesWritten: UInt64
    package var bytesVerified: UInt64
    package var areas: [Area]
    /// What was read back, part by part.
    package var strata: [Stratum]
    /// What went wrong, when something did.
    package var problem: String?
    package init(
        warrant: WarrantID, disk: DiskIdentity, method: WarrantTerms.Method, ending: Ending, signaturesBefore: [DiskFact.Signature],
        bytesWritten: UInt64, bytesVerified: UInt64, areas: [Area], strata: [Stratum] = [], problem: String? = nil
    ) {
        self.warrant = warrant
        self.disk = disk
        self.method = method
        self.ending = ending
        self.signaturesBefore = signaturesBefore
        self.bytesWritten = bytesWritten
        self.bytesVerified = bytesVerified
        self.areas = areas
        self.strata = strata
        self.problem = problem
    }
}

/// How far an order has come. It is shown and forgotten: no decision rests on it.
package struct TaskProgress: Hashable, Sendable, Codable {
    package enum Phase: String, Hashable, Sendable, Codable, CaseIterable { case waiting, writing, verifying }
    package var task: TaskID
    package var phase: Phase
    /// Bytes of both phases together.
    package var done: UInt64
    /// Upper bound of `done`.
    package var total: UInt64
    package init(task: TaskID, phase: Phase, done: UInt64, total: UInt64) {
        self.task = task
        self.phase = phase
        self.done = done
        self.total = total
    }
}

/// The end of the journal as somebody saw it: number of the last entry and the hash of the chain there.
package struct JournalHead: Hashable, Sendable, Codable {
    package var sequence: UInt64
    package var hash: Digest
    package init(sequence: UInt64, hash: Digest) {
        self.sequence = sequence
        self.hash = hash
    }
    package static let empty = JournalHead(sequence: 0, hash: .zero)
}
