mod catalogue;
mod facts;
mod messages;
mod properties;
