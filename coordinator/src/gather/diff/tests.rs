mod catalogue;
mod docs;
mod facts;
mod messages;
mod properties;
