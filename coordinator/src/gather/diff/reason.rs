//! Every reason that an event about facts can have.

macro_rules! reasons {
    ($($name:ident),* $(,)?) => {
        /// Why an event was made. docs/events.md explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Reason { $($name),* }

        impl Reason {
            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word that programs match on. Part of the stable interface.
            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

reasons! {
    // any section
    EarlierReportUnreadable, FurtherChanges, SectionUnread, SectionReadAgain,
    // hardware
    SerialChanged, BoardSerialChanged, BiosVersionChanged, CpuCountChanged, MemoryShrank,
    MemoryGrew,
    // os
    Rebooted, KernelChanged, OsReleaseChanged, HostnameChanged, MachineIdChanged, ClockLostSync,
    ClockSynced,
    // packages
    SecurityUpdatesAppeared, SecurityUpdatesCleared, PackagesBroken, PackagesRepaired,
    RebootBecameRequired, RebootNoLongerRequired,
    // disks
    DiskAppeared, DiskVanished, DiskMoved, DiskKeyChanged, DiskHealthChanged, DiskSizeChanged,
    DiskFirmwareChanged, DiskBecameReadOnly, DiskBecameWritable, UnidentifiedDisksChanged,
    // osds
    OsdAppeared, OsdVanished, OsdReplaced, OsdStopped, OsdStarted, OsdManagerChanged,
    // network
    InterfaceAppeared, InterfaceVanished, InterfaceRenamed, LinkSetDown, LinkSetUp, LinkDown,
    LinkUp, LinkSpeedFell, LinkSpeedRose, DuplexFell, DuplexRestored, MtuChanged, MacChanged,
    BondLegLost, BondLegReturned, BondMembersChanged, AddressAdded, AddressRemoved,
    LldpNeighbourChanged, LldpNeighbourLost, DefaultRouteLost, DefaultRouteChanged,
    // runtime
    RuntimeAppeared, RuntimeVanished, RuntimeVersionChanged, RuntimeStoppedAnswering,
    RuntimeAnswersAgain, RuntimeConditionLost, RuntimeConditionRestored, KubeletAppeared,
    KubeletVanished, KubeletStopped, KubeletStarted, KubeletUnhealthy, KubeletHealthy,
    KubeletVersionChanged, KubernetesClusterChanged,
    // managers
    ManagerAppeared, ManagerVanished, DomainModeChanged,
    // conditions
    ConditionsAtFirstReport, ConditionRaised, ConditionCleared, ConditionUnknown,
}
