//! Reads and sets the active Region, and the routes of the Multi-Region Access Point.
