//! HecOne.
