// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem
internal import MeshTrust

/// Judges a warrant on this host, by this host's own files and clock: who signed, for whom, for when, and whether it was spent.
struct WarrantDesk: Sendable {
    let configuration: WiperConfiguration
    let store: ReplayStore
    let boot: BootID
    let clock: SteadyClock

    init(configuration: WiperConfiguration, store: ReplayStore, boot: BootID, now: @escaping NowSource) {
        self.configuration = configuration
        self.store = store
        self.boot = boot
        clock = SteadyClock(now)
    }

    func judge(_ envelope: WarrantEnvelope) throws(Refused) -> VerifiedWarrant {
        guard !envelope.text.isEmpty, !envelope.signatures.isEmpty else {
            throw Refused(.warrantMissing, "the order carries no signed warrant; a person must sign one with ssh-keygen -Y sign")
        }
        if let problem = configuration.unfitBecause { throw Refused(.tooPrivileged, problem) }
        let signers = try signers()
        let time = try trustedTime()
        let warrant: VerifiedWarrant
        do throws(WarrantRefusal) {
            warrant = try WarrantVerifier.verify(envelope, signers: signers, now: time)
        } catch {
            throw Refused(code(error), "\(error)")
        }
        try admit(warrant.terms)
        return warrant
    }

    /// Asked again right before the claim: the judgement may have waited behind a slow disk.
    func admit(_ terms: WarrantTerms) throws(Refused) {
        if let problem = store.disarmedBecause { throw Refused(.disarmed, problem) }
        if let fate = store.fate(of: terms.id) {
            throw Refused(Self.code(fate), "warrant \(terms.id) was spent here, it is \(fate); sign a new one to wipe again")
        }
        guard terms.node == configuration.node else {
            throw Refused(.warrantOtherNode, "the warrant is for node \(terms.node), this is \(configuration.node)")
        }
        let key = try nodeKey()
        guard terms.nodeKey == key else {
            throw Refused(.warrantOtherNode, "the warrant is for the agent key \(terms.nodeKey.short), this node's key is \(key.short)")
        }
        guard terms.boot == boot else {
            throw Refused(
                .warrantOtherNode, "the warrant was made for boot \(terms.boot), this host runs boot \(boot); take a new inventory")
        }
        guard let mark = store.mark, terms.store.id == mark.id else {
            throw Refused(
                .storeMismatch,
                "the warrant is for the replay store \(terms.store.id), this wiper keeps \(store.mark?.id.text ?? "none"); take a new "
                    + "inventory and sign again")
        }
        guard mark.records >= terms.store.records else {
            throw Refused(
                .storeMismatch,
                "the replay store has \(mark.records) records and had \(terms.store.records) when the warrant was written: it was set back "
                    + "to an earlier day, with a snapshot or a backup, so what was spent since is unknown; arm it anew")
        }
        let time = try trustedTime()
        guard terms.notBefore <= time else { throw Refused(.warrantNotYetValid, "the warrant is not valid before \(terms.notBefore)") }
        guard time < terms.notAfter else { throw Refused(.warrantExpired, "the warrant expired at \(terms.notAfter)") }
    }

    /// Judges a message that arms this wiper: the same signers, this host, this boot, and the store that we named ourselves.
    func judgeArming(_ envelope: WarrantEnvelope) throws(Refused) -> VerifiedArming {
        guard !envelope.text.isEmpty, !envelope.signatures.isEmpty else {
            throw Refused(.warrantMissing, "the message is not signed; a person must sign it with ssh-keygen -Y sign")
        }
        let signers = try signers()
        // Not that of the record: it is not trusted, and a time in it that lies ahead may be why it is to be replaced.
        let time = try steadyTime()
        let arming: VerifiedArming
        do throws(WarrantRefusal) {
            arming = try WarrantVerifier.verifyArming(envelope, signers: signers, now: time)
        } catch {
            throw Refused(code(error), "\(error)")
        }
        let terms = arming.terms
        guard terms.node == configuration.node else {
            throw Refused(.warrantOtherNode, "the message is for node \(terms.node), this is \(configuration.node)")
        }
        let key = try nodeKey()
        guard terms.nodeKey == key else {
            throw Refused(.warrantOtherNode, "the message is for the agent key \(terms.nodeKey.short), this node's key is \(key.short)")
        }
        guard terms.boot == boot else {
            throw Refused(.warrantOtherNode, "the message was made for boot \(terms.boot), this host runs boot \(boot)")
        }
        guard store.disarmed(at: time) != nil else { throw Refused(.storeMismatch, "the wiper is armed already; there is nothing to do") }
        guard terms.store == store.challenge else {
            throw Refused(.storeMismatch, "the message is for another start of this wiper; ask for a new one and sign that")
        }
        return arming
    }

    /// Never earlier than what the clock has shown since our start, and than what is recorded: a step back must not revive an expired warrant.
    private func trustedTime() throws(Refused) -> Timestamp {
        let time = try steadyTime()
        if let problem = store.aheadOfClock(time) { throw Refused(.clockUnsure, problem) }
        return max(time, store.highWater ?? time)
    }

    /// What the clock has shown since our start goes on. Far from what it shows now, nobody but a person can tell which of the two is right.
    private func steadyTime() throws(Refused) -> Timestamp {
        let (time, wall) = clock.time
        guard time - wall <= ReplayStore.tolerance else {
            throw Refused(
                .clockUnsure,
                "the clock says \(wall), and it has shown what would be \(time) by now: it was set back; correct the clock, or, where it is right "
                    + "now, restart meshgate-wiper")
        }
        return time
    }

    private func signers() throws(Refused) -> AllowedSigners {
        let path = configuration.signersPath
        do {
            guard let bytes = try LinuxFileStore().read(path, limit: AllowedSigners.longestText) else {
                throw Refused(.signersMissing, "there is no allowed_signers file at \(path); put one there with the host's configuration")
            }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw Refused(.signersMissing, "\(path) is not UTF-8 text")
            }
            return try AllowedSigners(parsing: text)
        } catch let refused as Refused {
            throw refused
        } catch {
            throw Refused(.signersMissing, "\(error) (\(path))")
        }
    }

    private func nodeKey() throws(Refused) -> Digest {
        let path = configuration.nodeKeyPath
        let bytes = (try? LinuxFileStore().read(path, limit: 256)) ?? nil
        guard let bytes, let key = Digest(hex: String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)) else {
            throw Refused(.warrantOtherNode, "\(path) does not hold the digest of this node's agent key; has the agent enrolled?")
        }
        return key
    }

    private static func code(_ fate: ReplayStore.Fate) -> TaskRefusal.Code {
        switch fate {
        case .running: .warrantReused
        case .done: .warrantDone
        case .failed: .warrantFailed
        case .interrupted: .warrantInterrupted
        }
    }

    private func code(_ refusal: WarrantRefusal) -> TaskRefusal.Code {
        switch refusal {
        case .nobodyMaySign: .signersMissing
        case .tooLarge, .malformedTerms: .warrantMalformed
        case .signatureMalformed, .wrongNamespace, .unknownSigner, .signerMayNot, .signerOutOfTime, .signatureWrong, .tooFewSigners:
            .warrantSignature
        case .notYetValid: .warrantNotYetValid
        case .expired: .warrantExpired
        }
    }
}
