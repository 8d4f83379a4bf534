//! Rules that are broken on purpose, to see that the simulation finds it. Nothing of the server itself is changed.

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A crash takes the newest group with it that was synced.
    DiskForgetsASync,
    /// Some groups are acknowledged and never written.
    DiskAcknowledgesNothing,
    /// Some groups are written and said to have failed.
    DiskFailsAfterWriting,
    /// Of some groups half of each transaction is written.
    DiskSplitsTransactions,
    /// A crash takes the archives with it.
    DiskForgetsArchives,
    /// Who comes back to a stream begins one event too late.
    SubscriberSkips,
    /// Who comes back to a stream begins one event too early.
    SubscriberRepeats,
    /// The fold that is compared with forgets negotiations that expire.
    FoldForgets,
    /// The fold that is compared with does not know that a registration was renewed.
    FoldKeepsAnOldIndex,
    /// A stranger comes in as an administrator.
    StrangerIsAdministrator,
    /// The vault's references say what the secrets are.
    VaultTells,
    /// The server's clock stands still.
    ClockStandsStill,
    /// A request that is repeated has another identifier.
    RepeatIsAnother,
    /// A snapshot has no registry.
    SnapshotForgets,
    /// What agents have is counted as half of it, so that it looks promised twice.
    CapacityIsHalf,
    /// A stranger comes in as another user.
    StrangerIsAnother,
    /// Reports that a receiver has not taken are said to be delivered.
    CourierTellsOfWhatFailed,
    /// The first report after a start is the newest that waits.
    CourierBeginsWithTheNewest,
}

impl Mutation {
    pub const ALL: [Mutation; 18] = [
        Mutation::DiskForgetsASync,
        Mutation::DiskAcknowledgesNothing,
        Mutation::DiskFailsAfterWriting,
        Mutation::DiskSplitsTransactions,
        Mutation::DiskForgetsArchives,
        Mutation::SubscriberSkips,
        Mutation::SubscriberRepeats,
        Mutation::FoldForgets,
        Mutation::FoldKeepsAnOldIndex,
        Mutation::StrangerIsAdministrator,
        Mutation::VaultTells,
        Mutation::ClockStandsStill,
        Mutation::RepeatIsAnother,
        Mutation::SnapshotForgets,
        Mutation::CapacityIsHalf,
        Mutation::StrangerIsAnother,
        Mutation::CourierTellsOfWhatFailed,
        Mutation::CourierBeginsWithTheNewest,
    ];
}
