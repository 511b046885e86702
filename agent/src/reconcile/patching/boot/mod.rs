//! Booting another kernel, and the way back before the way forward: what GRUB's menu and environment
//! say ([`menu`], [`environment`]) and lead to ([`standing`]), what the firmware boots ([`crate::host::boot::efi`]) and
//! starts GRUB from ([`esp`], [`crate::host::boot::custom`]), what the old kernel can start ([`kexec`]), which way back
//! there is ([`way_back`], and [`fact`] for the inventory), what ends a kernel that hangs ([`timer`]),
//! and which kernel came up ([`after`]). All of it is pure.

pub mod after;
pub mod environment;
pub mod esp;
pub mod fact;
pub mod kexec;
pub mod menu;
pub mod standing;
pub mod timer;
pub mod way_back;

#[cfg(test)]
mod tests;
