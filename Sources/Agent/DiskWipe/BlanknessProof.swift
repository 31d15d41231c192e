// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshTrust

/// Reads a disk where a seed says, after its wipe is over: both ends, every place of a label, and a share of all blocks that nobody could
/// know before. Reads only; the disk is held exclusively meanwhile, so that what is read is one state of it.
struct BlanknessProof {
    let inventory: DiskInventory
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
        let candidate = try DiskMatch.find(fact.disk, among: try inventory.candidates())
        let device = try BlockDevice.exclusive(candidate.node, .exclusiveReading)
        let before = try device.facts()
        guard before.number == candidate.disk.number, before.sequence == fact.disk.sequence, before.size == fact.disk.sizeInBytes else {
            throw DiskWipeError.changedWhileRead(disk: candidate.name)
        }
        manners.adoptPriority()
        let parts = parts(before.size, fact.share, fact.seed)
        let total = parts.reduce(0) { $0 + $1.areas.reduce(0) { $0 + $1.length } }
        var done: UInt64 = 0
        var pace = Pace(manners.rate)
        let buffer = AlignedBuffer(count: 4 << 20)
        for part in parts {
            var hasher = SHA256Hasher()
            var stratum = Stratum(name: part.name, ranges: part.areas.count, bytes: 0, sha256: nil)
            try device.read(part.areas, buffer: buffer) { bytes, offset in
                if stop.isSet { throw DiskWipeError.stopping }
                hasher.update(bytes)
                stratum.bytes += UInt64(bytes.count)
                if let index = firstNonzero(bytes) { stratum.firstNonzero = offset + UInt64(index) }
                done += UInt64(bytes.count)
                progress(done, total)
                pace.spend(UInt64(bytes.count)) { stop.isSet }
                return stratum.firstNonzero == nil
            }
            stratum.sha256 = hasher.finish()
            fact.strata.append(stratum)
        }
        fact.signatures = try DiskContent.examine(
            device, disk: candidate.name, size: before.size, forgettingCache: true, fingerprinting: false
        ).signatures
        guard try device.facts() == before else { throw DiskWipeError.changedWhileRead(disk: candidate.name) }
    }

    /// Where only signatures were cleared, only their places are proven; what lies elsewhere was to be left.
    private func parts(_ size: UInt64, _ share: Int, _ seed: Digest) -> [(name: String, areas: [WipeReport.Area])] {
        let labels = DiskLayout.labelAreas(size: size, around: [])
        guard share > 0 else { return [("labels", labels)] }
        let (head, tail) = DiskLayout.ends(size)
        return [("head", head), ("tail", tail), ("labels", labels), ("sample", DiskLayout.sample(size, share: share, seed: seed))]
    }
}
