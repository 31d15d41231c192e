// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LocalLink
internal import MeshModel
internal import MeshTrust

/// Reads a disk where a seed says, after its wipe is over: both ends, every place of a label, and a share of all blocks that nobody could
/// know before. Reads only, and keeps nobody out: a question must not be able to lock a disk. A disk that somebody has is not read at all,
/// and one that became another instance meanwhile proves nothing. A guest's volume is always in use: the guest has it.
struct BlanknessProof {
    let inventory: DiskInventory
    /// Where volumes of guests are found, which are known by serial alone.
    let witness: HypervisorWitness
    let manners: WipeManners
    let stop: StopSignal
    let progress: (_ bytes: UInt64, _ total: UInt64) -> Void

    func take(_ check: BlanknessCheck, seed: Digest) -> BlanknessFact {
        var fact = BlanknessFact(disk: check.disk, seed: seed, share: check.share, strata: [], signatures: [])
        do {
            try prove(&fact)
        } catch let refused as Refused {
            fact.problem = "\(refused.refusal)"
        } catch let failure as BlockDevice.Failure {
            let name = check.disk.serial ?? check.disk.path
            fact.problem = "\(DiskWipeError.device(doing: failure.doing, on: name, errno: failure.errno))"
        } catch {
            fact.problem = "\(error)"
        }
        return fact
    }

    private func prove(_ fact: inout BlanknessFact) throws {
        if fact.disk.kind == .volume { return try proveVolume(&fact) }
        let candidate = try DiskMatch.find(fact.disk, among: try inventory.candidates())
        _ = try BlockDevice.exclusive(candidate.node, .exclusiveReading)
        let device = try BlockDevice(candidate.node, .reading)
        let before = try device.facts()
        guard before.number == candidate.disk.number, before.sequence == fact.disk.sequence, before.size == fact.disk.sizeInBytes else {
            throw DiskWipeError.changedWhileRead(disk: candidate.name)
        }
        try read(device, size: before.size, disk: candidate.name, into: &fact)
        guard try device.facts() == before else { throw DiskWipeError.changedWhileRead(disk: candidate.name) }
    }

    private func proveVolume(_ fact: inout BlanknessFact) throws {
        let (path, volume) = try witness.volume(withSerial: fact.disk.serial ?? "")
        let device = try BlockDevice(path, .reading)
        let size = try device.volumeSize()
        guard size == fact.disk.sizeInBytes else { throw DiskWipeError.changedWhileRead(disk: volume) }
        try read(device, size: size, disk: volume, into: &fact)
    }

    private func read(_ device: BlockDevice, size: UInt64, disk: String, into fact: inout BlanknessFact) throws {
        manners.adoptPriority()
        let parts = parts(size, fact.share, fact.seed)
        let total = parts.reduce(0) { $0 + $1.bytes }
        var done: UInt64 = 0
        var pace = Pace(manners.rate)
        let buffer = AlignedBuffer(count: 4 << 20)
        for part in parts {
            var hasher = SHA256Hasher()
            var stratum = Stratum(name: part.name, ranges: part.ranges, bytes: 0, sha256: nil)
            try device.read(part.areas, buffer: buffer) { bytes, offset in
                if stop.isSet { throw DiskWipeError.stopping }
                stratum.bytes += UInt64(bytes.count)
                // What is not zero is somebody's data: its hash is nobody's business.
                if let index = firstNonzero(bytes) { stratum.firstNonzero = offset + UInt64(index) } else { hasher.update(bytes) }
                done += UInt64(bytes.count)
                progress(done, total)
                pace.spend(UInt64(bytes.count)) { stop.isSet }
                return stratum.firstNonzero == nil
            }
            stratum.sha256 = hasher.finish()
            fact.strata.append(stratum)
        }
        fact.signatures = try DiskContent.examine(device, disk: disk, size: size, forgettingCache: true, fingerprinting: false).signatures
    }

    /// Where only signatures were cleared, only their places are proven; what lies elsewhere was to be left.
    private func parts(_ size: UInt64, _ share: Int, _ seed: Digest) -> [Part] {
        let labels = Part("labels", DiskLayout.labelAreas(size: size, around: []))
        guard share > 0 else { return [labels] }
        let (head, tail) = DiskLayout.ends(size)
        let sample = DiskLayout.sample(size, share: share, seed: seed)
        return [
            Part("head", head), Part("tail", tail), labels,
            Part(name: "sample", ranges: sample.count, bytes: UInt64(sample.count) * DiskLayout.mebibyte, areas: AnySequence(sample)),
        ]
    }

    /// A stratum to read. Its areas are made one by one: of a large disk there are millions.
    private struct Part {
        var name: String
        var ranges: Int
        var bytes: UInt64
        var areas: AnySequence<WipeReport.Area>

        init(name: String, ranges: Int, bytes: UInt64, areas: AnySequence<WipeReport.Area>) {
            self.name = name
            self.ranges = ranges
            self.bytes = bytes
            self.areas = areas
        }

        init(_ name: String, _ areas: [WipeReport.Area]) {
            self.init(name: name, ranges: areas.count, bytes: areas.reduce(0) { $0 + $1.length }, areas: AnySequence(areas))
        }
    }
}
